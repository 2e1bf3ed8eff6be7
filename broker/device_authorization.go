package broker

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/grant"
)

// Devices answers devices that have no browser; *grant.Grants does.
type Devices interface {
	Device(ctx context.Context, r grant.Request) (device.Begun, error)
}

// deviceAnswer is RFC 8628 §3.2.
type deviceAnswer struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"` // leads to a page on which the person confirms, nothing more (§3.3.1)
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval"`
}

// deviceAuthorization takes the client's authentication and errors as the token endpoint does (RFC 8628 §3.1, §3.2).
func (s *Server) deviceAuthorization(c *gin.Context) {
	s.allowOrigin(c)
	request, ok := s.readTokenRequest(c)
	if !ok {
		return
	}
	defer s.give()
	begun, err := s.Devices.Device(c.Request.Context(), request)
	if err != nil {
		s.refuse(c, err)
		return
	}
	noStore(c)
	page := request.Tenant.Issuer + "/device"
	c.JSON(http.StatusOK, deviceAnswer{
		DeviceCode: begun.DeviceCode, UserCode: begun.UserCode, VerificationURI: page, VerificationURIComplete: page + "?user_code=" + begun.UserCode,
		ExpiresIn: int64(begun.ExpiresIn.Seconds()), Interval: int64(begun.Interval.Seconds()),
	})
}
