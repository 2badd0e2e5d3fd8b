package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		old, want string
		err       error
	}{
		"new file":              {"", "content", nil},
		"file that is replaced": {"old", "content", nil},
		"failed write, no file": {"", "", failed},
		"failed write, a file":  {"old", "old", failed},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			if c.old != "" {
				if err := os.WriteFile(path, []byte(c.old), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := Write(path, func(w io.Writer) error {
				if _, err := io.WriteString(w, "content"); err != nil {
					return err
				}
				if got, _ := os.ReadFile(path); string(got) != c.old {
					t.Errorf("while writing, the file holds %q, want %q", got, c.old)
				}
				return c.err
			})
			if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if got, _ := os.ReadFile(path); string(got) != c.want {
				t.Errorf("the file holds %q, want %q", got, c.want)
			}
			files, err := os.ReadDir(dir)
			if err != nil || len(files) > 1 || len(files) == 0 && c.want != "" {
				t.Errorf("%d files in the folder, want the file alone: %v", len(files), err)
			}
			if info, err := os.Stat(path); c.err == nil && (err != nil || info.Mode() != 0o644) {
				t.Errorf("mode %v, %v, want 0644", info.Mode(), err)
			}
		})
	}
}

func TestWriteToMissingFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "file")
	if err := Write(path, func(io.Writer) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
}

func TestMove(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for _, content := range []string{"first", "second"} {
		if err := os.WriteFile(from, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Move(from, to); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(to); string(got) != content {
			t.Errorf("the file holds %q, want %q", got, content)
		}
	}
	if err := Move(from, to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("moving a missing file: error %v, want %v", err, os.ErrNotExist)
	}
}
