package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

// yardstickCommand is how this program starts itself again as a yardstick, so that CPU and memory are a process's own.
const yardstickCommand = "serve-yardstick"

func startYardstick(ctx context.Context, s *scene, name string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		return nil, err
	}
	keyFile := filepath.Join(s.folder, "idp.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	p, err := start(ctx, nil, self, yardstickCommand, name, s.public, keyFile)
	if err != nil {
		return nil, err
	}
	return p, p.ready(ctx, s.issuer+"/readyz")
}

// serveYardstick is that process: name, address, the IdP's public key.
func serveYardstick(args []string) error {
	if len(args) != 3 {
		return errors.New(yardstickCommand + " wants a name, an address and a key file")
	}
	handler, err := yardstick(args[0], args[2])
	if err != nil {
		return err
	}
	server := &http.Server{Addr: args[1], Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

func yardstick(name, keyFile string) (http.Handler, error) {
	if name == subjectPing { // net/http and nothing else
		mux := http.NewServeMux()
		mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("pong\n")) })
		return mux, nil
	}
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.GET("/readyz", func(c *gin.Context) { c.Status(http.StatusOK) })
	switch name {
	case subjectEcho:
		router.POST("/token", echo)
	case subjectSign:
		work, err := newVerifyAndSign(keyFile)
		if err != nil {
			return nil, err
		}
		router.POST("/token", work.token)
	default:
		return nil, fmt.Errorf("no yardstick is called %q", name)
	}
	return router, nil
}

type answer struct {
	AccessToken string `json:"access_token"`
}

// echo parses the form and answers with what it was sent.
func echo(c *gin.Context) { c.JSON(http.StatusOK, answer{AccessToken: c.PostForm("assertion")}) }

// verifyAndSign does the two signatures that no implementation of the grant can do without, and nothing else.
type verifyAndSign struct {
	idp *ecdsa.PublicKey
	own *ecdsa.PrivateKey
}

func newVerifyAndSign(keyFile string) (*verifyAndSign, error) {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM", keyFile)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	idp, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("a %T is no key for ES256", parsed)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &verifyAndSign{idp: idp, own: own}, err
}

func (v *verifyAndSign) token(c *gin.Context) {
	claims, ok := v.verify(c.PostForm("assertion"))
	if !ok {
		c.JSON(http.StatusBadRequest, gin.H{"error": "invalid_grant"})
		return
	}
	token, err := signES256(v.own, map[string]any{"alg": "ES256", "typ": "at+jwt"}, claims)
	if err != nil {
		c.JSON(http.StatusInternalServerError, gin.H{"error": "server_error"})
		return
	}
	c.JSON(http.StatusOK, answer{AccessToken: token})
}

func (v *verifyAndSign) verify(compact string) (claims map[string]any, ok bool) {
	at := strings.LastIndexByte(compact, '.')
	if at < 0 {
		return nil, false
	}
	signature, err := b64.DecodeString(compact[at+1:])
	if err != nil || len(signature) != 64 {
		return nil, false
	}
	digest := sha256.Sum256([]byte(compact[:at]))
	if !ecdsa.Verify(v.idp, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return nil, false
	}
	_, encoded, _ := strings.Cut(compact[:at], ".")
	text, err := b64.DecodeString(encoded)
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return nil, false
	}
	return claims, true
}
