package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

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
