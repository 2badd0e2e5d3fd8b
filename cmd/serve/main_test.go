package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kenserve/internal/tiny"
	"kenserve/safetensors"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kenserve": main})
}

// TestScripts runs the command line as a user does: testdata/script/*.txtar.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"tiny":        makeTiny,
			"sametensors": sameTensors,
			"damage":      damage,
		},
	})
}

// makeTiny makes a tiny base in base/ and, for each argument NAME=LABEL,LABEL,
// a checkpoint tuned from it in tuned/NAME.
func makeTiny(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(tiny.WriteBase(ts.MkAbs("base"), 1))
	for i, arg := range args {
		name, labels, _ := strings.Cut(arg, "=")
		ts.Check(tiny.WriteTuned(ts.MkAbs(filepath.Join("tuned", name)), ts.MkAbs("base"), strings.Split(labels, ","), uint64(i)))
	}
}

// sameTensors compares two checkpoints to the bit; with more arguments, every
// weight of the first must be that of one of the others.
func sameTensors(ts *testscript.TestScript, neg bool, args []string) {
	same := func() error {
		var sets []*safetensors.Checkpoint
		for _, arg := range args {
			c, err := safetensors.OpenCheckpoint(ts.MkAbs(arg))
			ts.Check(err)
			defer c.Close()
			sets = append(sets, c)
		}
		for _, name := range sets[0].Names() {
			t, _ := sets[0].Tensor(name)
			var others []*safetensors.Tensor
			for _, c := range sets[1:] {
				for _, n := range []string{name, strings.TrimPrefix(name, "bert.")} {
					if o, ok := c.Tensor(n); ok {
						others = append(others, o)
					}
				}
			}
			for i := range t.Len() {
				found := false
				for _, o := range others {
					found = found || string(o.Data[4*i:4*i+4]) == string(t.Data[4*i:4*i+4])
				}
				if !found {
					return fmt.Errorf("tensor %s, element %d", name, i)
				}
			}
		}
		if len(sets) == 2 && len(sets[0].Names()) != len(sets[1].Names()) {
			return fmt.Errorf("%d tensors, and %d", len(sets[0].Names()), len(sets[1].Names()))
		}
		return nil
	}()
	if neg == (same == nil) {
		ts.Fatalf("sametensors %v: %v", args, same)
	}
}

// damage flips a bit of a file, at an offset from its end.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	back, err := strconv.Atoi(args[1])
	ts.Check(err)
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)-back] ^= 4
	ts.Check(os.WriteFile(path, data, 0o644))
}

// TestServe starts the program as it is run, sends a request, and stops it with
// a signal.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	base, store := filepath.Join(dir, "base"), filepath.Join(dir, "store")
	if err := tiny.WriteBase(base, 1); err != nil {
		t.Fatal(err)
	}
	if err := tiny.WriteTuned(filepath.Join(dir, "tuned"), base, []string{"yes", "no"}, 1); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(store, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "kenserve") // the test binary is kenserve under this name
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "prune", "--base", base, "--tuned", filepath.Join(dir, "tuned"), "--out", filepath.Join(store, "answer.ken")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte("listen: 127.0.0.1:0\nbase: base\nstore: store\nlog-format: json\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, "--config", config)
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(log)
	address := ""
	for address == "" {
		var line struct{ Msg, Address string }
		if err := lines.Decode(&line); err != nil {
			t.Fatalf("log: %v", err)
		}
		address = line.Address
	}
	rest := make(chan string)
	go func() {
		text, _ := io.ReadAll(io.MultiReader(lines.Buffered(), log))
		rest <- string(text)
	}()
	answer, err := http.Post(address+"/classify", "application/json", strings.NewReader(`{"model":"answer","input":["what is the card","how"]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct {
		Data [][]struct {
			Label string
			Score float64
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %v", answer.StatusCode, err)
	}
	if len(body.Data) != 2 || len(body.Data[0]) != 2 || body.Data[0][0].Score < body.Data[0][1].Score {
		t.Errorf("answer: %+v", body)
	}
	if sum := body.Data[0][0].Score + body.Data[0][1].Score; sum < 0.999 || sum > 1.001 {
		t.Errorf("scores sum to %g", sum)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	text := <-rest
	if err := command.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, text)
	}
}
