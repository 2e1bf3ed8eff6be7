// Package ginverifier protects gin routes with [verifier.Verifier].
//
//	router.GET("/notes", ginverifier.Require(v, verifier.RequireScopes("notes:read")), list)
//
// It is a module of its own, so that only who uses gin needs it. It decides nothing
// itself and must not read tokens.
package ginverifier

import (
	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
)

// Require lets requests through that have a valid token and meet every requirement, and
// ends others with [verifier.WriteError].
func Require(v *verifier.Verifier, needs ...verifier.Requirement) gin.HandlerFunc {
	return func(c *gin.Context) {
		token, err := v.Verify(c.Request, needs...)
		if err != nil {
			verifier.WriteError(c.Writer, err)
			c.Abort()
			return
		}
		v.OfferNonce(c.Writer, token)
		c.Request = c.Request.WithContext(verifier.NewContext(c.Request.Context(), token))
		c.Next()
	}
}

// Token gives the token that Require verified.
func Token(c *gin.Context) (*verifier.Token, bool) {
	return verifier.FromContext(c.Request.Context())
}

// Metadata serves the resource's metadata (RFC 9728): route it at v.MetadataPath(), for
// GET and OPTIONS.
func Metadata(v *verifier.Verifier) gin.HandlerFunc { return gin.WrapH(v.MetadataHandler()) }
