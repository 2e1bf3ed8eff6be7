package keyring

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestCreate(t *testing.T) {
	_, path := create(t)
	if mode := mustStat(t, path).Mode(); mode != 0o600 {
		t.Fatalf("mode %v", mode)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, now); !errors.Is(err, ErrExists) {
		t.Fatalf("created again: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Fatal("the keyring that was there was touched")
	}
	leftovers(t, filepath.Dir(path))
}

func TestCreateNeverFollowsALink(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "keyring"), filepath.Join(dir, "elsewhere")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, now); !errors.Is(err, ErrExists) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the link's target was made: %v", err)
	}
}

func TestCreateRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyring")
	rings := make([]*Keyring, 16)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			k, err := Create(path, now)
			if err != nil && !errors.Is(err, ErrExists) {
				t.Errorf("create: %v", err)
			}
			rings[i] = k
		})
	}
	wg.Wait()
	var winners int
	for _, k := range rings {
		if k != nil {
			winners++
		}
	}
	if winners != 1 {
		t.Fatalf("%d keyrings were created", winners)
	}
	leftovers(t, filepath.Dir(path))
}

// Losing a root key loses what it sealed: rotations that race keep each other's.
func TestRotateRace(t *testing.T) {
	_, path := create(t)
	const rotations = 12
	blobs := make([][]byte, rotations)
	var wg sync.WaitGroup
	for i := range blobs {
		wg.Go(func() {
			k, err := Load(path)
			if err != nil {
				t.Errorf("load: %v", err)
				return
			}
			if _, err := k.Rotate(now); err != nil {
				t.Errorf("rotate: %v", err)
				return
			}
			if blobs[i], err = k.Seal(t.Context(), text, row); err != nil {
				t.Errorf("seal: %v", err)
			}
		})
	}
	wg.Wait()
	k, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(k.Keys()); n != rotations+1 {
		t.Fatalf("%d keys, want %d", n, rotations+1)
	}
	for _, blob := range blobs {
		if _, err := k.Open(t.Context(), blob, row); err != nil {
			t.Fatal(err)
		}
	}
	leftovers(t, filepath.Dir(path))
}

func TestRotateStopsAtItsLimit(t *testing.T) {
	k, _ := create(t)
	for range maxKeys - 1 {
		if _, err := k.Rotate(now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.Rotate(now); err == nil {
		t.Fatal("rotated past the limit that Load accepts")
	}
	if _, err := k.Open(t.Context(), seal(t, k), row); err != nil {
		t.Fatal(err)
	}
}

func TestLoadRefusesPermissions(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o660, 0o602, 0o610, 0o601, 0o700 | 0o001} {
		t.Run(mode.String(), func(t *testing.T) {
			_, path := create(t)
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(path); !errors.Is(err, ErrPermissions) {
				t.Fatalf("got %v, want ErrPermissions", err)
			}
		})
	}
	t.Run("0400", func(t *testing.T) {
		_, path := create(t)
		if err := os.Chmod(path, 0o400); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLoadRefusesOtherThanRegularFiles(t *testing.T) {
	t.Run("symbolic link", func(t *testing.T) {
		_, path := create(t)
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(link); !errors.Is(err, ErrPermissions) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("directory", func(t *testing.T) {
		if _, err := Load(t.TempDir()); !errors.Is(err, ErrPermissions) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("pipe", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); !errors.Is(err, ErrPermissions) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("another user's", func(t *testing.T) {
		_, path := create(t)
		if err := os.Chown(path, os.Geteuid()+1, -1); err != nil {
			if !errors.Is(err, fs.ErrPermission) {
				t.Fatal(err)
			}
			return // only root can give a file away
		}
		if _, err := Load(path); !errors.Is(err, ErrPermissions) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("absent", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keyring")
		if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("got %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal("Load made a keyring")
		}
	})
}

func TestLoadIsStrict(t *testing.T) {
	_, path := create(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	valid := string(content)
	var f file
	if err := json.Unmarshal(content, &f); err != nil {
		t.Fatal(err)
	}
	id, key := f.Keys[0].ID, f.Keys[0].Key
	flipped := "A" + key[1:]
	if key[0] == 'A' {
		flipped = "B" + key[1:]
	}
	replaced := func(old, with string) string { return strings.Replace(valid, old, with, 1) }
	for name, content := range map[string]string{
		"empty":               "",
		"cut":                 valid[:len(valid)/2],
		"text after it":       valid + "{}",
		"unknown member":      replaced(`"format"`, `"extra": 1, "format"`),
		"repeated member":     replaced(`"format"`, `"primary": "x", "format"`),
		"other case":          replaced(`"primary"`, `"Primary"`),
		"other format":        replaced("chancery-keyring/1", "chancery-keyring/2"),
		"no keys":             `{"format":"chancery-keyring/1","primary":"` + id + `","keys":[]}`,
		"primary absent":      replaced(`"primary": "`+id, `"primary": "krk_0000000000000000`),
		"primary empty":       replaced(`"primary": "`+id, `"primary": "`),
		"key altered":         replaced(key, flipped),
		"key short":           replaced(key, key[:20]),
		"key empty":           replaced(key, ""),
		"id altered":          strings.ReplaceAll(valid, id, "krk_0000000000000000"),
		"key there twice":     strings.Replace(valid, "[", `[{"id":"`+id+`","created_at":"2026-11-21T12:00:00Z","key":"`+key+`"},`, 1),
		"larger than allowed": valid + strings.Repeat(" ", maxFile),
	} {
		t.Run(name, func(t *testing.T) {
			if content == valid {
				t.Fatal("the case changes nothing")
			}
			path := filepath.Join(t.TempDir(), "keyring")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v, want ErrInvalid", err)
			}
			if strings.Contains(err.Error(), key[4:]) {
				t.Fatalf("the error quotes the key: %v", err)
			}
		})
	}
}

func TestReloadKeepsKeysOnError(t *testing.T) {
	k, path := create(t)
	blob := seal(t, k)
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); !errors.Is(err, ErrInvalid) {
		t.Fatalf("got %v", err)
	}
	if _, err := k.Open(t.Context(), blob, row); err != nil {
		t.Fatal(err)
	}
}

func leftovers(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Fatalf("%d files in the folder", len(entries))
	}
}
