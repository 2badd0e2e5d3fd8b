//go:build unix

package regular

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestOpen: only regular files are opened, and nothing waits.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(at("file"), []byte("content"), 0o644),
		os.Symlink("file", at("link")),
		os.Symlink("nothing", at("broken")),
		os.Symlink("pipe", at("link to a pipe")),
		os.Mkdir(at("folder"), 0o755),
		syscall.Mkfifo(at("pipe"), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, c := range []struct {
		path             string
		follow, noFollow error // nil: opened
	}{
		{at("file"), nil, nil},
		{at("link"), nil, ErrNotRegular},
		{at("broken"), fs.ErrNotExist, ErrNotRegular},
		{at("link to a pipe"), ErrNotRegular, ErrNotRegular},
		{at("folder"), ErrNotRegular, ErrNotRegular},
		{at("pipe"), ErrNotRegular, ErrNotRegular},
		{at("socket"), ErrNotRegular, ErrNotRegular},
		{at("missing"), fs.ErrNotExist, fs.ErrNotExist},
		{"/dev/null", ErrNotRegular, ErrNotRegular},
	} {
		for _, open := range []struct {
			name string
			call func(string) (*os.File, fs.FileInfo, error)
			want error
		}{{"Open", Open, c.follow}, {"OpenNoFollow", openNoFollow, c.noFollow}} {
			f, _, err := open.call(c.path)
			if !errors.Is(err, open.want) || (err == nil) != (open.want == nil) {
				t.Errorf("%s %s: %v, want %v", open.name, c.path, err, open.want)
			}
			if err == nil {
				_ = f.Close()
			}
		}
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path, 7); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Read(path, 6); err == nil {
		t.Error("read a file above the limit")
	}
}

// TestReadWithin: a pipe is read while its writer writes, and does not hold up anybody.
func TestReadWithin(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(at("file"), []byte("content"), 0o644),
		syscall.Mkfifo(at("alone"), 0o644),
		syscall.Mkfifo(at("silent"), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(at("silent"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	go func() {
		_, _ = in.WriteString("content")
		_ = in.Close()
	}()
	for _, c := range []struct {
		path    string
		limit   int64
		content string
		fails   bool
	}{
		{path: at("file"), limit: 7, content: "content"},
		{path: at("file"), limit: 6, fails: true},
		{path: at("alone"), limit: 7},
		{path: at("silent"), limit: 7, fails: true},
		{path: fmt.Sprintf("/dev/fd/%d", out.Fd()), limit: 7, content: "content"},
		{path: at("missing"), limit: 7, fails: true},
		{path: dir, limit: 7, fails: true},
		{path: "/dev/null", limit: 7},
		{path: "/dev/zero", limit: 7, fails: true},
	} {
		got, err := ReadWithin(c.path, c.limit, 100*time.Millisecond)
		if (err != nil) != c.fails || err == nil && string(got) != c.content {
			t.Errorf("%s: %q, %v", c.path, got, err)
		}
	}
}
