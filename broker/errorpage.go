package broker

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
)

// errorPage says what a code means and who fixes it; error_uri points here. Codes that stay inside have no page.
func (s *Server) errorPage(c *gin.Context) {
	row, ok := oauth.Lookup(oauth.Code(c.Param("code")))
	if !ok || row.Face != "" {
		s.notFound(c)
		return
	}
	trace := c.Query("trace")
	if _, ok := id.Time(id.Trace, trace); !ok {
		trace = ""
	}
	s.showError(c, http.StatusOK, row, trace)
}

// showError shows a code's page.
func (s *Server) showError(c *gin.Context, status int, row oauth.Row, trace string) {
	frame := page.Frame{Language: page.Choose("", c.GetHeader("Accept-Language")), Trace: trace}
	shown, err := page.Failure{Code: row.Code}.Render(frame)
	if err != nil {
		s.refuse(c, err)
		return
	}
	if err := shown.Write(c.Writer, status); err != nil {
		s.Log.LogAttrs(c.Request.Context(), slog.LevelDebug, "page not sent", slog.String("trace_id", traceOf(c)), slog.String("error", err.Error()))
	}
}
