// Package connectiontest is the contract that every store of connections keeps, a store in memory, and a provider that
// rotates refresh tokens and notices when one is used twice. It is for tests.
package connectiontest

import "log/slog"

// Quiet is a log that nobody reads.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
