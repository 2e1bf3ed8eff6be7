package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/decision"
)

type replayRequest struct {
	Since    time.Time       `json:"since"`
	Until    time.Time       `json:"until"`
	User     string          `json:"user"`
	Client   string          `json:"client"`
	Resource string          `json:"resource"`
	MaxFlips *int            `json:"max_flips"`
	Draft    json.RawMessage `json:"draft"`
	Prune    bool            `json:"prune"`
}

func (s *Server) startReplay(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	var asked replayRequest
	if err := strictBody(c, maxApplyBody, &asked); err != nil {
		return err
	}
	draft, err := draftOf(asked.Draft)
	if err != nil {
		return err
	}
	user, err := s.userUID(c, asked.User)
	if err != nil {
		return err
	}
	most := -1
	if asked.MaxFlips != nil {
		most = *asked.MaxFlips
	}
	job, err := log.StartReplay(c.Request.Context(), t, tenantName(c), decision.Asked{
		Filter:   decision.Filter{Since: asked.Since, Until: asked.Until, User: user, Client: asked.Client, Resource: asked.Resource},
		MaxFlips: most, Draft: draft, Prune: asked.Prune, By: principal(c),
	})
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, job)
	return nil
}

// getReplay waits for the end, at most so long as it is told.
func (s *Server) getReplay(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	wait, err := number(c, "wait", 0, 0, maxWait)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	deadline := s.Now().Add(time.Duration(wait) * time.Second)
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		job, err := log.Replay(ctx, t, c.Param("id"))
		if err != nil {
			return err
		}
		if job.State != decision.Running || !s.Now().Before(deadline) {
			c.JSON(http.StatusOK, job)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (s *Server) stopReplay(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	if err := log.StopReplay(c.Request.Context(), t, c.Param("id")); err != nil {
		return err
	}
	c.Status(http.StatusAccepted)
	return nil
}
