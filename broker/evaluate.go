package broker

import (
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/authzen"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// Evaluations answers resources, and the gateways in front of them, that ask what policy says.
type Evaluations interface {
	Evaluate(ctx context.Context, r grant.EvaluationRequest) ([]grant.Verdict, error)
	// TurnAwayEvaluation records that a message could not even be read.
	TurnAwayEvaluation(r grant.EvaluationRequest, err error)
}

// Paths of AuthZEN Authorization API 1.0 §10.1 below an issuer.
const (
	evaluationPath  = "/access/v1/evaluation"
	evaluationsPath = "/access/v1/evaluations"
	authzenMetadata = "/.well-known/authzen-configuration"

	requestIDHeader = "X-Request-ID"
	maxRequestID    = 255
)

// evaluation serves one question (§6), or with boxed many (§7).
func (s *Server) evaluation(boxed bool) gin.HandlerFunc {
	return func(c *gin.Context) {
		named := echo(c)
		body, unread := readMessage(c) // before a slot is taken: who sends slowly holds nobody up but himself
		if !s.take(c) {
			return
		}
		defer s.give()
		request, err := s.decodeEvaluation(c)
		if err == nil {
			if err = errors.Join(named, unread); err == nil {
				request.Message, err = authzen.Parse(body, boxed)
			}
			if err != nil {
				s.Evaluations.TurnAwayEvaluation(request, err)
			}
		}
		var verdicts []grant.Verdict
		if err == nil {
			verdicts, err = s.Evaluations.Evaluate(c.Request.Context(), request)
		}
		if err == nil && !request.Message.Boxed && verdicts[0].Unasked {
			err = verdicts[0].Refusal
		}
		if err != nil {
			s.refuseEvaluation(c, err)
			return
		}
		noStore(c) // what policy says now may be wrong a moment later
		answers := answersOf(request.Tenant, traceOf(c), verdicts)
		if request.Message.Boxed {
			c.JSON(http.StatusOK, gin.H{"evaluations": answers})
			return
		}
		c.JSON(http.StatusOK, answers[0])
	}
}

// echo gives the caller's own name for the request back (§10.1.3), whatever the answer is.
func echo(c *gin.Context) error {
	values := c.Request.Header.Values(requestIDHeader)
	if len(values) == 0 {
		return nil
	}
	odd := func(r rune) bool { return r < 0x20 || r > 0x7e }
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxRequestID || strings.ContainsFunc(values[0], odd) {
		return oauth.Refuse(oauth.CodeRequestIDMalformed, "a request id that is not taken", "one, of at most 255 printable characters")
	}
	c.Header(requestIDHeader, values[0])
	return nil
}

// readMessage takes JSON only (§10.1).
func readMessage(c *gin.Context) ([]byte, error) {
	media, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, oauth.Refuse(oauth.CodeEvaluationContentType, c.GetHeader("Content-Type"), "application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, authzen.MaxBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, oauth.Refuse(oauth.CodeBodyTooLarge, "more than 64 KiB", "at most 64 KiB")
		}
		return nil, &oauth.Error{Code: oauth.CodeEvaluationMalformed, Received: "a body that ended early", Cause: err}
	}
	return body, nil
}

func (s *Server) decodeEvaluation(c *gin.Context) (grant.EvaluationRequest, error) {
	picture, err := s.picture(c)
	if err != nil {
		return grant.EvaluationRequest{}, err
	}
	return grant.EvaluationRequest{
		Tenant: picture, Trace: traceOf(c), Remote: c.ClientIP(), Authorization: c.Request.Header.Values("Authorization"),
		RequestID: c.Writer.Header().Get(requestIDHeader),
	}, nil
}

// refuseEvaluation says with 401 how to authenticate, whatever was tried (§11.3).
func (s *Server) refuseEvaluation(c *gin.Context, err error) {
	refusal := oauth.AsError(err)
	if oauth.Public(refusal.Code).Status == http.StatusUnauthorized {
		refusal.TriedBasic = true
	}
	s.refuse(c, refusal)
}

// decisionAnswer is §5.5. A yes has no context: who does not understand one may reject it.
type decisionAnswer struct {
	Decision bool           `json:"decision"`
	Context  map[string]any `json:"context,omitempty"`
}

func answersOf(t *snapshot.Tenant, trace string, verdicts []grant.Verdict) []decisionAnswer {
	all := make([]decisionAnswer, 0, len(verdicts))
	for _, v := range verdicts {
		if v.Allow {
			all = append(all, decisionAnswer{Decision: true})
			continue
		}
		all = append(all, decisionAnswer{Context: contextOf(t, trace, v)})
	}
	return all
}

// contextOf says why not: what the catalogue says outside, what a step-up takes (RFC 9470 §3), and where the rest is told.
func contextOf(t *snapshot.Tenant, trace string, v grant.Verdict) map[string]any {
	row, wire := oauth.Public(v.Refusal.Code), v.Refusal.Wire(t.Issuer, trace)
	if v.Unasked { // §7.2.1
		return map[string]any{"error": map[string]any{"status": row.Status, "code": string(row.Code), "message": wire.Description}}
	}
	told := map[string]any{
		"code":         string(row.Code),
		"reason_admin": map[string]string{strconv.Itoa(http.StatusForbidden): wire.Description + ". " + wire.URI},
		"reason_user":  map[string]string{strconv.Itoa(http.StatusForbidden): row.Text},
	}
	if v.Decision != "" {
		told["decision_id"] = v.Decision
	}
	maps.Copy(told, wire.Members)
	return told
}

// pdpMetadata is §9.1: what is not served is not in it.
type pdpMetadata struct {
	DecisionPoint string `json:"policy_decision_point"`
	Evaluation    string `json:"access_evaluation_endpoint"`
	Evaluations   string `json:"access_evaluations_endpoint"`
}

// decisionPoint is found where somebody may ask: a resource of the tenant names its server.
func (s *Server) decisionPoint(c *gin.Context) {
	t, err := s.picture(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	for _, r := range t.ActiveResources() {
		if r.ServerClient != "" {
			body := pdpMetadata{DecisionPoint: t.Issuer, Evaluation: t.Issuer + evaluationPath, Evaluations: t.Issuer + evaluationsPath}
			c.Header("Cache-Control", cacheForMinutes)
			c.Header("Access-Control-Allow-Origin", "*")
			c.JSON(http.StatusOK, body)
			return
		}
	}
	s.notFound(c)
}
