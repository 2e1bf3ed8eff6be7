package proposal

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/chancery-dev/chancery/broker/object"
)

// decode reads a change back. Its objects are read as strictly as when they were sent.
func decode(text []byte) (object.Changeset, error) {
	var parts struct {
		Objects []json.RawMessage `json:"objects"`
		Deletes []object.Base     `json:"deletes"`
		Base    []object.Base     `json:"base"`
		Means   []object.Base     `json:"means"`
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		return object.Changeset{}, fmt.Errorf("change: %w", err)
	}
	c := object.Changeset{Deletes: parts.Deletes, Base: parts.Base, Means: parts.Means}
	for _, part := range parts.Objects {
		read, err := object.Decode(bytes.NewReader(part), object.Options{Format: object.JSON})
		if err != nil {
			return c, fmt.Errorf("change: %w", err)
		}
		c.Objects = append(c.Objects, read...)
	}
	if len(c.Objects) != len(c.Base) {
		return c, fmt.Errorf("change: %d objects on %d", len(c.Objects), len(c.Base))
	}
	return c, nil
}
