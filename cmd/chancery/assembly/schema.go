package assembly

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/migrations"
)

// Schema is an open database on which migrations run.
type Schema struct {
	DB      *sql.DB
	Dialect migrations.Dialect
	runtime string // the role that serves, where it is not the owner
	close   func() error
}

// OpenSchema opens the database as the role that owns the schema.
func OpenSchema(ctx context.Context, c *config.Loaded) (*Schema, error) {
	runtimeURL, err := c.Text(c.Database.URL)
	if err != nil {
		return nil, fmt.Errorf("database.url: %w", err)
	}
	ownerURL := runtimeURL
	if !c.Database.OwnerURL.IsZero() {
		if ownerURL, err = c.Text(c.Database.OwnerURL); err != nil {
			return nil, fmt.Errorf("database.owner_url: %w", err)
		}
	}
	s, err := store.Open(ctx, store.Config{URL: ownerURL.Reveal()})
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	schema := &Schema{DB: s.SQL(), Dialect: migrations.Dialect(s.Dialect()), close: s.Close}
	if owner, runtime := user(ownerURL.Reveal()), user(runtimeURL.Reveal()); owner != runtime {
		schema.runtime = runtime
	}
	return schema, nil
}

func user(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return ""
	}
	return u.User.Username()
}

// Up brings the schema up and gives the runtime role its rights.
func (s *Schema) Up(ctx context.Context) ([]migrations.Step, error) {
	done, err := migrations.Up(ctx, s.DB, s.Dialect)
	if err != nil || s.runtime == "" {
		return done, err
	}
	return done, migrations.Grant(ctx, s.DB, s.runtime)
}

// Close gives the database back.
func (s *Schema) Close() error { return s.close() }

// prepareSchema does what database.migrate says.
func prepareSchema(ctx context.Context, c *config.Loaded) (err error) {
	schema, err := OpenSchema(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, schema.Close()) }()
	if c.Database.Migrate == "check" {
		return migrations.Check(ctx, schema.DB, schema.Dialect)
	}
	_, err = schema.Up(ctx)
	return err
}
