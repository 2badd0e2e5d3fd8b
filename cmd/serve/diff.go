package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"kenserve/delta"
	"kenserve/safetensors"
)

type diffCmd struct {
	A    string `arg:"" placeholder:"A.ken" help:"Delta file."`
	B    string `arg:"" placeholder:"B.ken" help:"Another one of the same base."`
	Base string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of their base."`
	JSON bool   `name:"json" help:"Print JSON."`
	cacheFlags
}

// comparison is what diff prints. A position is a weight of the base; one of a
// dense tensor counts as kept if its value differs from the base's.
type comparison struct {
	A       string           `json:"a"`
	B       string           `json:"b"`
	Total   tensorOverlap    `json:"total"`
	Tensors []*tensorOverlap `json:"tensors"`
}

// tensorOverlap compares the positions that two deltas keep of one tensor.
type tensorOverlap struct {
	Name   string `json:"name,omitempty"`
	Size   int    `json:"size"`   // weights of the base
	Both   int    `json:"both"`   // kept by both deltas
	OnlyA  int    `json:"only_a"` // kept by one
	OnlyB  int    `json:"only_b"`
	Alike  int    `json:"alike"`  // kept by both and changed in the same direction
	Equal  int    `json:"equal"`  // kept by both and of the same value
	Chance int    `json:"chance"` // what two deltas that keep as many each by chance would share

	// Jaccard is the share of what both keep in what either keeps; Agreement
	// that of what changed in the same direction in what both keep.
	Jaccard   float64 `json:"jaccard"`
	Agreement float64 `json:"agreement"`

	chance float64
}

func (c *diffCmd) Run(s streams) error {
	base, err := openBase("diff", c.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	var deltas [2]*delta.Delta
	for i, path := range []string{c.A, c.B} {
		d, err := base.delta(path, c.cacheFlags.open())
		if err != nil {
			return err
		}
		defer d.Close()
		deltas[i] = d
	}
	result := comparison{A: c.A, B: c.B}
	for _, name := range base.Names() {
		a, _ := deltas[0].Tensor(name)
		b, _ := deltas[1].Tensor(name)
		if a == nil && b == nil {
			continue
		}
		t, _ := base.Tensor(name)
		if !t.DType.Float() {
			continue
		}
		o, err := compare(t, a, b)
		if err != nil {
			return fmt.Errorf("diff: tensor %s: %w", name, err)
		}
		result.Tensors = append(result.Tensors, o)
		result.Total.add(o)
	}
	result.Total.finish()
	if c.JSON {
		e := json.NewEncoder(s.out)
		e.SetIndent("", " ")
		return e.Encode(result)
	}
	return result.print(s)
}

// compare goes through a tensor row by row. a or b may be nil: unchanged.
func compare(base *safetensors.Tensor, a, b *delta.Tensor) (*tensorOverlap, error) {
	rows, columns := base.Rows()
	o := &tensorOverlap{Name: base.Name, Size: rows * columns}
	const blockRows = 64
	var before, one, two []float32
	keptA, keptB := newKeeping(a, rows*columns), newKeeping(b, rows*columns)
	for first := 0; first < rows; first += blockRows {
		n := min(blockRows, rows-first) * columns
		if before == nil {
			before, one, two = make([]float32, n), make([]float32, n), make([]float32, n)
		}
		before, one, two = before[:n], one[:n], two[:n]
		if err := base.Float32s(before, first*columns); err != nil {
			return nil, err
		}
		if err := patched(one, before, a, first, columns); err != nil {
			return nil, err
		}
		if err := patched(two, before, b, first, columns); err != nil {
			return nil, err
		}
		for i, x := range before {
			inA, inB := keptA.at(first*columns+i, x, one[i]), keptB.at(first*columns+i, x, two[i])
			switch {
			case inA && inB:
				o.Both++
				if one[i] == two[i] {
					o.Equal++
				}
				if (one[i] > x) == (two[i] > x) && (one[i] < x) == (two[i] < x) {
					o.Alike++
				}
			case inA:
				o.OnlyA++
			case inB:
				o.OnlyB++
			}
		}
	}
	if o.Size > 0 {
		o.chance = float64(o.Both+o.OnlyA) * float64(o.Both+o.OnlyB) / float64(o.Size)
	}
	o.finish()
	return o, nil
}

// patched puts a delta's rows from first on into dst, over the base's.
func patched(dst, base []float32, t *delta.Tensor, first, columns int) error {
	copy(dst, base)
	switch {
	case t == nil:
	case t.Dense != nil:
		return t.Dense.Float32s(dst, first*columns)
	default:
		t.Masked.PatchRows(first, dst)
	}
	return nil
}

// keeping tells which positions of a tensor a delta keeps: those in its masks
// or, of a dense tensor, those that differ from the base.
type keeping struct {
	mask  []uint64
	dense bool
}

func newKeeping(t *delta.Tensor, n int) keeping {
	switch {
	case t == nil:
		return keeping{}
	case t.Dense != nil:
		return keeping{dense: true}
	}
	k := keeping{mask: make([]uint64, (n+63)/64)}
	columns := t.Masked.Columns
	t.Masked.Keeps(func(row, column int) {
		i := row*columns + column
		k.mask[i/64] |= 1 << (i % 64)
	})
	return k
}

func (k *keeping) at(i int, base, value float32) bool {
	if k.mask != nil {
		return k.mask[i/64]>>(i%64)&1 == 1
	}
	return k.dense && value != base
}

func (o *tensorOverlap) add(t *tensorOverlap) {
	o.Size += t.Size
	o.Both += t.Both
	o.OnlyA += t.OnlyA
	o.OnlyB += t.OnlyB
	o.Alike += t.Alike
	o.Equal += t.Equal
	o.chance += t.chance
}

// finish derives the shares from the counts.
func (o *tensorOverlap) finish() {
	if either := o.Both + o.OnlyA + o.OnlyB; either > 0 {
		o.Jaccard = float64(o.Both) / float64(either)
	}
	if o.Both > 0 {
		o.Agreement = float64(o.Alike) / float64(o.Both)
	}
	o.Chance = int(o.chance + 0.5)
}

func (c *comparison) print(s streams) error {
	fmt.Fprintf(s.out, "A  %s\nB  %s\n\n", c.A, c.B)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "both\tby chance\tonly A\tonly B\tJaccard\tsame sign\tequal\t tensor\n")
	line := func(o *tensorOverlap, name string) {
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%.3f\t%.3f\t%d\t %s\n", o.Both, o.Chance, o.OnlyA, o.OnlyB, o.Jaccard, o.Agreement, o.Equal, name)
	}
	for _, o := range c.Tensors {
		line(o, o.Name)
	}
	line(&c.Total, "all")
	return w.Flush()
}
