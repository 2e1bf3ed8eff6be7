package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
	"github.com/chancery-dev/chancery/federation/strict"
)

// IdPMetadata is what SAML IdPs say of themselves. idp is a saved IdentityProvider.
type IdPMetadata interface {
	// Look asks the IdP now.
	Look(ctx context.Context, t tenant.UID, tenantName string, idp object.Object, by audit.Principal) (samlmetadata.State, error)
	// Preview tells what a document would change, and keeps nothing.
	Preview(ctx context.Context, t tenant.UID, tenantName string, idp object.Object, document []byte) (samlmetadata.State, error)
	// Accept puts what waits into use, if it is what was seen.
	Accept(ctx context.Context, t tenant.UID, tenantName string, idp object.Object, digest string, by audit.Principal) (samlmetadata.State, error)
}

type metadataBody struct {
	Document string `json:"document"`
	Digest   string `json:"digest"`
}

// lookMetadata asks the IdP's address now, or, with a document, tells what it would change.
func (s *Server) lookMetadata(c *gin.Context) error {
	t, o, _, err := s.idp(c)
	if err != nil {
		return err
	}
	asked, err := readMetadataBody(c)
	if err != nil {
		return err
	}
	if asked.Digest != "" {
		return refuse(http.StatusBadRequest, "body_invalid", "digest: accept takes it")
	}
	var state samlmetadata.State
	if asked.Document != "" {
		state, err = s.IdPMetadata.Preview(c.Request.Context(), t, tenantName(c), o, []byte(asked.Document))
	} else {
		state, err = s.IdPMetadata.Look(c.Request.Context(), t, tenantName(c), o, principal(c))
	}
	return showMetadata(c, state, err)
}

// acceptMetadata takes over what waits: exactly what was seen.
func (s *Server) acceptMetadata(c *gin.Context) error {
	t, o, _, err := s.idp(c)
	if err != nil {
		return err
	}
	asked, err := readMetadataBody(c)
	if err != nil {
		return err
	}
	if asked.Digest == "" || asked.Document != "" {
		return refuse(http.StatusBadRequest, "body_invalid", "digest of what was seen is required, and nothing else")
	}
	if err := s.mayTrust(c, t); err != nil {
		return err
	}
	state, err := s.IdPMetadata.Accept(c.Request.Context(), t, tenantName(c), o, asked.Digest, principal(c))
	return showMetadata(c, state, err)
}

func readMetadataBody(c *gin.Context) (metadataBody, error) {
	raw, err := body(c, 2*saml.MaxBytes)
	if err != nil {
		return metadataBody{}, err
	}
	var asked metadataBody
	if err := strict.Decode(raw, &asked); err != nil {
		return metadataBody{}, refuse(http.StatusBadRequest, "body_invalid", err.Error())
	}
	return asked, nil
}

func showMetadata(c *gin.Context, state samlmetadata.State, err error) error {
	refusal, refused := errors.AsType[*federation.Refusal](err)
	switch {
	case errors.Is(err, samlmetadata.ErrNotPending):
		return refuse(http.StatusConflict, "metadata_not_pending", err.Error())
	case errors.Is(err, samlmetadata.ErrNoAddress):
		return refuse(http.StatusConflict, "metadata_address_absent", err.Error())
	case errors.Is(err, samlmetadata.ErrConflict):
		return refuse(http.StatusConflict, "metadata_changed", err.Error())
	case refused:
		return refuse(http.StatusUnprocessableEntity, string(refusal.Code), refusal.Error())
	case err != nil:
		return err
	}
	c.JSON(http.StatusOK, samlmetadata.Show(state))
	return nil
}
