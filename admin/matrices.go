package admin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/policy/matrix"
)

type matrixRequest struct {
	Clients   []string        `json:"clients"`
	Resources []string        `json:"resources"`
	Groups    []string        `json:"groups"`
	At        time.Time       `json:"at"`
	Draft     json.RawMessage `json:"draft"`
	Prune     bool            `json:"prune"`
	Diff      bool            `json:"diff"`
}

func (s *Server) draftMatrix(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	var asked matrixRequest
	if err := strictBody(c, maxApplyBody, &asked); err != nil {
		return err
	}
	draft, err := draftOf(asked.Draft)
	if err != nil {
		return err
	}
	w := decision.Wanted{Clients: asked.Clients, Resources: asked.Resources, Groups: asked.Groups, At: asked.At, Draft: draft, Prune: asked.Prune}
	if asked.Diff {
		d, err := log.MatrixDiff(c.Request.Context(), t, tenantName(c), w)
		if err != nil {
			return err
		}
		c.JSON(http.StatusOK, d)
		return nil
	}
	m, err := log.Matrix(c.Request.Context(), t, tenantName(c), w)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, m)
	return nil
}

func (s *Server) getMatrix(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	var w decision.Wanted
	if w.At, err = moment(c, "at"); err != nil {
		return err
	}
	for _, list := range []struct {
		name string
		into *[]string
	}{{"clients", &w.Clients}, {"resources", &w.Resources}, {"groups", &w.Groups}} {
		names, err := text(c, list.name, 4096)
		if err != nil {
			return err
		}
		if names != "" {
			*list.into = strings.Split(names, ",")
		}
	}
	m, err := log.Matrix(c.Request.Context(), t, tenantName(c), w)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, m)
	return nil
}

// keptMatrix is what was published with a revision, or the difference to another one.
func (s *Server) keptMatrix(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	found, err := s.Objects.Get(c.Request.Context(), tenantName(c), object.KindPolicy, c.Param("name"))
	if err != nil {
		return err
	}
	revision, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || revision < 1 {
		return decision.ErrMatrixUnknown
	}
	against, err := number(c, "against", 0, 0, 1<<31-1)
	if err != nil {
		return err
	}
	m, err := log.KeptMatrix(c.Request.Context(), t, found.Metadata.UID, revision)
	if err != nil {
		return err
	}
	if against == 0 {
		c.JSON(http.StatusOK, m)
		return nil
	}
	before, err := log.KeptMatrix(c.Request.Context(), t, found.Metadata.UID, int64(against))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, matrix.Diff(before, m))
	return nil
}
