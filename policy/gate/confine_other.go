//go:build !linux

package gate

import "errors"

// confine fails where the kernel's limits are not known to hold: a check without
// limits would be none.
func confine(limits) error {
	return errors.New("policies can be checked with hard limits on Linux only")
}
