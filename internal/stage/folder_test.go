package stage

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMain: with the variable, the test program is a process that makes a folder with a
// file, and is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("STAGE_TEST_DIR"); dir != "" {
		f, err := NewFolder(dir)
		if err != nil {
			panic(err)
		}
		if err := os.WriteFile(f.Path("half"), make([]byte, 1000), 0o644); err != nil {
			panic(err)
		}
		os.Stdout.WriteString("ready\n")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

// TestClean: the folder of a killed process is removed, and no other one.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	mine, err := NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine.Path("mine"), make([]byte, 10), 0o644); err != nil {
		t.Fatal(err)
	}
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "STAGE_TEST_DIR="+dir)
	out, err := other.StdoutPipe()
	if err := errors.Join(err, other.Start()); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(dir, newPrefix+"old"), filepath.Join(dir, newPrefix+"young")
	hour := time.Now().Add(-time.Hour)
	if err := errors.Join(os.Mkdir(old, 0o755), os.Mkdir(young, 0o755), os.Chtimes(old, hour, hour), os.Mkdir(filepath.Join(dir, "folder"), 0o755)); err != nil {
		t.Fatal(err)
	}
	names := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	Clean(dir)
	if got := names(); len(got) != 4 { // mine, the other process's, young, folder
		t.Errorf("while the other process lives: %v", got)
	}
	if got := Bytes(dir); got != 1010 {
		t.Errorf("%d bytes, want 1010", got)
	}
	_ = other.Process.Kill()
	_ = other.Wait()
	Clean(dir)
	if got := names(); len(got) != 3 || Bytes(dir) != 10 {
		t.Errorf("after its end: %v, %d bytes", got, Bytes(dir))
	}
	if err := errors.Join(mine.Remove(), mine.Remove()); err != nil {
		t.Error(err)
	}
	if got := names(); len(got) != 2 {
		t.Errorf("after Remove: %v", got)
	}
}
