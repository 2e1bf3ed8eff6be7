package pool

import "time"

// As makes children of another argument.
func As(c *Config, argument string) { c.arg = argument }

// Lives gives children another lifetime.
func Lives(c *Config, d time.Duration) { c.life = d }
