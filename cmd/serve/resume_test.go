package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestResumeAfterKill kills the program at random moments while it classifies, continues
// it, and compares the output with that of a run that was left alone.
func TestResumeAfterKill(t *testing.T) {
	w := newFixture(t, "trec")
	dir := t.TempDir()
	input, want, output := filepath.Join(dir, "in.csv"), filepath.Join(dir, "want.jsonl"), filepath.Join(dir, "out.jsonl")
	var texts bytes.Buffer
	texts.WriteString("id,text\n")
	words := []string{"what", "who", "film", "is", "the", "where", "city", "a"}
	const rows = 2000
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for i := range rows {
		fmt.Fprintf(&texts, "%d,\"", i)
		for range 1 + random.IntN(20) {
			texts.WriteString(words[random.IntN(len(words))] + " ")
		}
		texts.WriteString("\"\n")
	}
	if err := os.WriteFile(input, texts.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	classify := func(out string, extra ...string) *exec.Cmd {
		args := []string{"classify", filepath.Join(w.store, "trec.ken"), "--base", w.base, "--input", input, "--with-text", "--output", out}
		return exec.Command(w.program, append(args, extra...)...)
	}
	began := time.Now()
	if out, err := classify(want).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	whole := time.Since(began)
	kills, complete := 0, false
	for range 6 {
		command := classify(output, "--resume")
		var messages bytes.Buffer
		command.Stderr = &messages
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(random.Float64()*float64(whole)), func() { _ = command.Process.Kill() })
		err := command.Wait()
		timer.Stop()
		if complete = err == nil; complete {
			break
		}
		if command.ProcessState.Exited() { // and was not killed
			t.Fatalf("%v: %s", err, &messages)
		}
		kills++
		if random.IntN(2) == 0 { // as if the kernel had written a part of a line
			if info, err := os.Stat(output); err == nil && info.Size() > 40 {
				if err := os.Truncate(output, info.Size()-1-random.Int64N(40)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if !complete {
		if out, err := classify(output, "--resume").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if _, err := os.Stat(output + ".resume"); !os.IsNotExist(err) {
		t.Errorf("a complete output still has its journal: %v", err)
	}
	a, errA := os.ReadFile(want)
	b, errB := os.ReadFile(output)
	if errA != nil || errB != nil || !bytes.Equal(a, b) || bytes.Count(a, []byte("\n")) != rows {
		t.Errorf("after %d kills the outputs differ: %d and %d bytes, %v, %v", kills, len(a), len(b), errA, errB)
	}
	t.Logf("killed %d times; a whole run took %s", kills, whole)
}
