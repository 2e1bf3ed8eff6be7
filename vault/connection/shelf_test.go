package connection_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

func TestFolder(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	path := filepath.Join(t.TempDir(), "shelf")
	shelf, err := connection.OpenFolder(path)
	must(t, err)
	sealed, err := connection.Seal(t.Context(), b.ring, b.ref, 2, b.fake.Connect(), b.clock.now())
	must(t, err)
	o := connection.Orphan{
		Ref: b.ref, Attempt: connection.Attempt{Tenant: b.ref.Tenant, ID: b.ref.ID, Version: 1, Name: "try_ABC234", By: "replica"}, Successor: sealed,
	}
	must(t, shelf.Keep(o))
	must(t, shelf.Keep(o))
	again, err := connection.OpenFolder(path)
	must(t, err)
	got, found, err := again.Find("try_ABC234")
	if err != nil || !found || !reflect.DeepEqual(got, o) {
		t.Fatalf("%+v, %v", got, err)
	}
	if all, err := again.List(); err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], o) {
		t.Errorf("%+v, %v", all, err)
	}
	for _, name := range []string{"", "try_", "try_../../x", "try_abc", "other", "try_ABC235"} {
		if _, found, err := again.Find(name); found || err != nil {
			t.Errorf("%q: %v %v", name, found, err)
		}
	}
	files, err := os.ReadDir(path)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	content, err := os.ReadFile(filepath.Join(path, files[0].Name()))
	if err != nil || bytes.Contains(content, []byte("access-")) || bytes.Contains(content, []byte("refresh-")) {
		t.Errorf("%s, %v", content, err)
	}
	must(t, again.Drop("try_ABC234"))
	must(t, again.Drop("try_ABC234"))
	if all, err := again.List(); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestFolderRefuses(t *testing.T) {
	if _, err := connection.OpenFolder(""); err == nil {
		t.Error("no folder")
	}
	path := t.TempDir()
	shelf, err := connection.OpenFolder(path)
	must(t, err)
	for _, name := range []string{"", "try_../x", "x"} {
		if err := shelf.Keep(connection.Orphan{Attempt: connection.Attempt{Name: name}}); err == nil {
			t.Errorf("%q was taken", name)
		}
		if err := shelf.Drop(name); err == nil {
			t.Errorf("%q was dropped", name)
		}
	}
	// One that cannot be read hides no other.
	must(t, os.WriteFile(filepath.Join(path, "try_AAA.json"), []byte("{"), 0o600))
	if _, err := shelf.List(); err == nil {
		t.Error("nothing was said")
	}
	must(t, shelf.Keep(connection.Orphan{Attempt: connection.Attempt{Name: "try_BBB"}}))
	if all, err := shelf.List(); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// The whole way over the disk: a save that fails, a restart, a repair.
func TestFolderRepairs(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	path := t.TempDir()
	c := b.config("replica", nil)
	var err error
	c.Shelf, err = connection.OpenFolder(path)
	must(t, err)
	c.SaveFor = time.Millisecond
	c.CallTimeout, c.StaleAfter = time.Second, 2*time.Second
	b.keeper, err = connection.New(c)
	must(t, err)
	b.memory.Break("Save", 8)
	b.clock.add(time.Hour)
	if _, err := b.fresh(t); err == nil {
		t.Fatal("handed out")
	}
	b.memory.Break("Save", 0)
	c.Shelf, err = connection.OpenFolder(path)
	must(t, err)
	b.keeper, err = connection.New(c)
	must(t, err)
	if n, err := b.keeper.Repair(t.Context()); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	b.works(t, 2)
	b.calls(t, 1)
}
