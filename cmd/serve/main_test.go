package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kenserve/models/tiny"
	"kenserve/safetensors"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kenserve": main})
}

// TestScripts runs testdata/script/*.txtar with the program as a user runs it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"tiny":        makeTiny,
			"sametensors": compareTensors,
			"damage":      damage,
			"adapter":     makeAdapter,
		},
	})
}

// makeTiny implements "tiny NAME=LABEL,LABEL...": it writes a tiny base to base/ and, for each
// argument, a checkpoint tuned from it to tuned/NAME.
func makeTiny(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(tiny.WriteBase(ts.MkAbs("base"), 1))
	for i, arg := range args {
		name, labels, _ := strings.Cut(arg, "=")
		ts.Check(tiny.WriteTuned(ts.MkAbs(filepath.Join("tuned", name)), ts.MkAbs("base"), strings.Split(labels, ","), uint64(i)))
	}
}

// compareTensors implements "sametensors DIR DIR...": every weight of the first checkpoint must
// be, to the bit, that of one of the others. Two checkpoints must have equally many tensors.
func compareTensors(ts *testscript.TestScript, neg bool, args []string) {
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
					return fmt.Errorf("tensor %s, element %d differs", name, i)
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

// makeAdapter implements "adapter DIR": it writes a LoRA adapter of base/ with a head of two
// outputs.
func makeAdapter(ts *testscript.TestScript, _ bool, args []string) {
	base, err := safetensors.OpenCheckpoint(ts.MkAbs("base"))
	ts.Check(err)
	defer base.Close()
	const module = "encoder.layer.0.attention.self.query"
	weight, ok := base.Tensor(module + ".weight")
	if !ok {
		ts.Fatalf("the base has no %s", module)
	}
	outputs, inputs := weight.Rows()
	var entries []safetensors.Entry
	add := func(name string, rows, columns int) {
		values := make([]float32, rows*columns)
		for i := range values {
			values[i] = float32(i%7-3) / 8
		}
		t := safetensors.Tensor{Name: "base_model.model." + name, DType: safetensors.F32, Shape: []int{rows, columns}, Data: safetensors.Bytes(values)}
		if columns == 1 {
			t.Shape = []int{rows}
		}
		entries = append(entries, t.Entry())
	}
	add("bert."+module+".lora_A.weight", 2, inputs)
	add("bert."+module+".lora_B.weight", outputs, 2)
	add("classifier.weight", 2, inputs)
	add("classifier.bias", 2, 1)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(safetensors.WriteFile(filepath.Join(dir, "adapter_model.safetensors"), nil, entries))
	ts.Check(os.WriteFile(filepath.Join(dir, "adapter_config.json"), []byte(`{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "task_type": "SEQ_CLS"}`), 0o644))
}

// damage implements "damage FILE N": it flips a bit of the N-th byte from the end.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	back, err := strconv.Atoi(args[1])
	ts.Check(err)
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)-back] ^= 4
	ts.Check(os.WriteFile(path, data, 0o644))
}
