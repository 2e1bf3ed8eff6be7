package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// relisten is how long to wait after a connection for listening was lost.
const relisten = time.Second

// Listen returns a channel that hints, until the context ends, that some tenant's
// version may have moved. On PostgreSQL it holds one connection of its own, and
// comes back when it is lost; a hint after that stands for all that were missed.
// On SQLite there is nobody else to hear of, and it hints never. Whoever waits
// polls all the same.
func (s *Store) Listen(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	if s.dialect != Postgres {
		return hints
	}
	go func() {
		for ctx.Err() == nil {
			s.listen(ctx, hints)
			select {
			case <-ctx.Done():
			case <-time.After(relisten):
			}
		}
	}()
	return hints
}

// listen returns when the connection is lost: its end says all there is to say.
func (s *Store) listen(ctx context.Context, hints chan<- struct{}) {
	config := s.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["application_name"] = "chancery listen"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), relisten)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return
	}
	for {
		select {
		case hints <- struct{}{}:
		default: // one is waiting already
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return
		}
	}
}
