package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/migrations"
)

func (c *command) migrateCommand() *cobra.Command {
	parent := &cobra.Command{Use: "migrate", Short: "See and change the database schema"}
	parent.AddCommand(
		c.migrateStatusCommand(),
		&cobra.Command{
			Use: "plan", Short: "Print the SQL that `migrate up` would run; exit status 2 if there is any", Args: cobra.NoArgs,
			RunE: c.withSchema(func(ctx context.Context, s *assembly.Schema) error {
				steps, err := migrations.Plan(ctx, s.DB, s.Dialect)
				if err != nil {
					return err
				}
				if len(steps) == 0 {
					_, err = fmt.Fprintln(c.stdout, "the schema is up to date")
					return err
				}
				printSQL(c.stdout, steps)
				return errDiffers
			}),
		},
		&cobra.Command{
			Use: "up", Short: "Bring the schema up, printing the SQL before it runs", Args: cobra.NoArgs,
			RunE: c.withSchema(func(ctx context.Context, s *assembly.Schema) error {
				steps, err := migrations.Plan(ctx, s.DB, s.Dialect)
				if err != nil {
					return err
				}
				printSQL(c.stdout, steps)
				done, err := s.Up(ctx)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.stdout, "%d applied\n", len(done))
				return err
			}),
		},
		c.migrateDownCommand(),
	)
	return parent
}

type migration struct {
	Version int64  `json:"version"`
	State   string `json:"state"`
	Name    string `json:"name"`
}

func (c *command) migrateStatusCommand() *cobra.Command {
	status := &cobra.Command{
		Use: "status", Short: "List migrations and whether they are applied", Args: cobra.NoArgs,
		RunE: c.withSchema(func(ctx context.Context, s *assembly.Schema) error {
			if err := c.checkOutput(); err != nil {
				return err
			}
			steps, err := migrations.Status(ctx, s.DB, s.Dialect)
			if err != nil {
				return err
			}
			known := make([]migration, len(steps))
			for i, step := range steps {
				known[i] = migration{Version: step.Version, State: "pending", Name: step.Name}
				if step.Applied {
					known[i].State = "applied"
				}
			}
			return c.print(known, func(w io.Writer) error {
				for _, one := range known {
					_, _ = fmt.Fprintf(w, "%05d  %-8s  %s\n", one.Version, one.State, one.Name)
				}
				return nil
			})
		}),
	}
	c.addOutputFlag(status, asTable)
	return status
}

func (c *command) migrateDownCommand() *cobra.Command {
	var confirmed bool
	down := &cobra.Command{
		Use: "down", Short: "Take the newest migration back, with all that its tables hold", Args: cobra.NoArgs,
		RunE: c.withSchema(func(ctx context.Context, s *assembly.Schema) error {
			if !confirmed {
				return errors.New("this destroys what the migration's tables hold: say --yes")
			}
			step, err := migrations.Down(ctx, s.DB, s.Dialect)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.stdout, "%05d taken back: %s\n", step.Version, step.Name)
			return err
		}),
	}
	down.Flags().BoolVar(&confirmed, "yes", false, "do it")
	return down
}

func printSQL(w io.Writer, steps []migrations.Step) {
	for _, step := range steps {
		_, _ = fmt.Fprintf(w, "-- %05d %s\n%s\n", step.Version, step.Name, step.SQL)
	}
}

func (c *command) withSchema(do func(ctx context.Context, s *assembly.Schema) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) (err error) {
		loaded, err := c.loadConfig()
		if err != nil {
			return err
		}
		schema, err := assembly.OpenSchema(cmd.Context(), loaded)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, schema.Close()) }()
		return do(cmd.Context(), schema)
	}
}
