//go:build unix

package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"kenserve/internal/regular"
)

// at makes the thing that a test finds at a path.
var at = map[string]func(path string) error{
	"nothing":         func(string) error { return nil },
	"file":            func(path string) error { return os.WriteFile(path, []byte("old"), 0o644) },
	"empty folder":    func(path string) error { return os.Mkdir(path, 0o755) },
	"folder":          func(path string) error { return os.MkdirAll(filepath.Join(path, "sub"), 0o755) },
	"pipe":            func(path string) error { return syscall.Mkfifo(path, 0o644) },
	"link to a file":  func(path string) error { return os.Symlink("input", path) },
	"link to nothing": func(path string) error { return os.Symlink("nothing there", path) },
	"input":           func(path string) error { return os.Link(filepath.Join(filepath.Dir(path), "input"), path) },
	"folder of a hard link to the input": func(path string) error {
		return errors.Join(os.Mkdir(path, 0o755), os.Link(filepath.Join(filepath.Dir(path), "input"), filepath.Join(path, "name")))
	},
	"input folder": func(path string) error { return os.Rename(filepath.Join(filepath.Dir(path), "inputs"), path) },
	"folder with a link as name": func(path string) error {
		return errors.Join(os.Mkdir(path, 0o755), os.Symlink("../input", filepath.Join(path, "name")))
	},
}

// TestOutput puts things at the path before the work, or during it, and tells which outputs
// are written then. A thing that is not replaced stays as it was.
func TestOutput(t *testing.T) {
	const refused, exists, written = "refused", "exists", "written"
	for _, c := range []struct {
		at               string
		file, fileForced string
		dir, dirForced   string
	}{
		{"nothing", written, written, written, written},
		{"file", exists, written, refused, refused},
		{"empty folder", refused, refused, written, written},
		{"folder", refused, refused, exists, written},
		{"pipe", refused, refused, refused, refused},
		{"link to a file", refused, refused, refused, refused},
		{"link to nothing", refused, refused, refused, refused},
		{"input", refused, refused, refused, refused},
		{"folder of a hard link to the input", refused, refused, exists, refused},
		{"input folder", refused, refused, refused, refused},
		{"folder with a link as name", refused, refused, exists, refused},
	} {
		for _, v := range []struct {
			name string
			want string
			o    Options
		}{
			{"file", c.file, Options{}},
			{"file, forced", c.fileForced, Options{Replace: true}},
			{"folder", c.dir, Options{Folder: true, Names: []string{"name"}}},
			{"folder, forced", c.dirForced, Options{Folder: true, Names: []string{"name"}, Replace: true}},
		} {
			for _, when := range []string{"before", "during"} {
				t.Run(c.at+"/"+v.name+"/"+when, func(t *testing.T) {
					dir := t.TempDir()
					path := filepath.Join(dir, "out")
					inputs := []string{filepath.Join(dir, "input"), filepath.Join(dir, "inputs"), "", "-"}
					if c.at == "input folder" {
						if when == "during" {
							t.Skip("the folder of inputs does not move during the work")
						}
						inputs[1] = path
					}
					if err := errors.Join(os.WriteFile(inputs[0], []byte("input"), 0o644), os.Mkdir(filepath.Join(dir, "inputs"), 0o755)); err != nil {
						t.Fatal(err)
					}
					put := func(now string) {
						if when == now {
							if err := at[c.at](path); err != nil {
								t.Fatal(err)
							}
						}
					}
					put("before")
					v.o.Inputs = inputs
					o, err := Create(path, v.o)
					if err == nil {
						defer o.Abort()
						put("during")
						name := o.Path()
						if v.o.Folder {
							name = filepath.Join(name, "name")
						}
						if err := os.WriteFile(name, []byte("new"), 0o644); err != nil {
							t.Fatal(err)
						}
						err = o.Commit(context.Background())
						o.Abort()
					} else if when == "during" {
						t.Fatal(err)
					}
					got := written
					if e := (*RefusedError)(nil); errors.As(err, &e) {
						if got = refused; e.Exists {
							got = exists
						}
					} else if err != nil {
						t.Fatal(err)
					}
					if got != v.want {
						t.Errorf("%s, want %s: %v", got, v.want, err)
					}
					if v.o.Folder {
						path = filepath.Join(path, "name")
					}
					content, _ := regular.Read(path, 100)
					if (string(content) == "new") != (v.want == written) {
						t.Errorf("%s has %q", path, content)
					}
					if content, _ := os.ReadFile(inputs[0]); string(content) != "input" {
						t.Errorf("the input has %q", content)
					}
					if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
						t.Errorf("left: %v", left)
					}
				})
			}
		}
	}
}

// TestOutputChangedInput: an output that was made of an input that changed is not written.
func TestOutputChangedInput(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte("input"), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := Create(out, Options{Inputs: []string{in}})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	if err := errors.Join(os.WriteFile(o.Path(), nil, 0o644), os.Truncate(in, 2)); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(context.Background()); err == nil {
		t.Error("it was written")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("it is there")
	}
}

// TestAbandon: after it, nothing unfinished is there and nothing is committed.
func TestAbandon(t *testing.T) {
	defer func() { live.abandoned = false }()
	dir := t.TempDir()
	o, err := Create(filepath.Join(dir, "out"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	made, over := make(chan struct{}), make(chan struct{})
	go func() { // a goroutine that still works
		defer close(over)
		for i := 0; os.WriteFile(o.folder.Path(fmt.Sprint(i)), nil, 0o644) == nil; i++ {
			if i == 100 {
				close(made)
			}
		}
	}()
	<-made
	Abandon()
	<-over
	if f, err := NewFolder(dir); err == nil {
		t.Error("a folder was made afterwards")
		_ = f.Remove()
	}
	if err := o.Commit(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestEmptyPath: a path from a variable that is not set is not the present folder.
func TestEmptyPath(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, o := range []Options{{}, {Replace: true}, {Folder: true}, {Folder: true, Replace: true}} {
		_, err := Create("", o)
		if _, refused := errors.AsType[*RefusedError](err); !refused {
			t.Errorf("%+v: %v", o, err)
		}
		_, err = OpenInPlace("", o)
		if _, refused := errors.AsType[*RefusedError](err); !refused {
			t.Errorf("in place, %+v: %v", o, err)
		}
	}
	if entries, err := os.ReadDir("."); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}
