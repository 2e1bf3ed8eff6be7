package keyring

import (
	"bytes"
	"testing"
)

const purpose = "chancery test v1: one"

func derive(t *testing.T, k *Keyring, purpose string) [][]byte {
	t.Helper()
	keys, err := k.Derive(purpose)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if len(key) != 32 {
			t.Fatalf("a key of %d bytes", len(key))
		}
	}
	return keys
}

func TestDerive(t *testing.T) {
	k, path := create(t)
	first := derive(t, k, purpose)
	if len(first) != 1 {
		t.Fatalf("%d keys of one root key", len(first))
	}
	again, err := Load(path) // another process, or the same after a restart
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(derive(t, again, purpose)[0], first[0]) {
		t.Error("two processes derive two keys")
	}
	if bytes.Equal(derive(t, k, "chancery test v1: two")[0], first[0]) {
		t.Error("two purposes have one key")
	}
	other, _ := create(t)
	if bytes.Equal(derive(t, other, purpose)[0], first[0]) {
		t.Error("two keyrings derive one key")
	}
}

// What was made before a rotation is still recognised after it: the newest key comes first, the others follow.
func TestDeriveAfterRotation(t *testing.T) {
	k, path := create(t)
	old := derive(t, k, purpose)[0]
	stale, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := k.Rotate(now); err != nil {
			t.Fatal(err)
		}
	}
	keys := derive(t, k, purpose)
	if len(keys) != 3 || bytes.Equal(keys[0], old) || bytes.Equal(keys[1], old) || !bytes.Equal(keys[2], old) {
		t.Errorf("%d keys, in another order than newest first", len(keys))
	}
	if !bytes.Equal(derive(t, stale, purpose)[0], old) {
		t.Error("a process that did not read the file again has another key")
	}
	if err := stale.Reload(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(derive(t, stale, purpose)[0], keys[0]) {
		t.Error("after reading the file again, another key comes first")
	}
}

func TestDeriveNeedsAPurpose(t *testing.T) {
	k, _ := create(t)
	for _, none := range []string{"", "x"} {
		if keys, err := k.Derive(none); err == nil {
			t.Errorf("%q gave %d keys", none, len(keys))
		}
	}
}
