package objective

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/losses"
	"github.com/nlpodyssey/spago/mat"

	"kenserve/models"
	"kenserve/tune/internal/tape"
)

const n = 6

// inputs are those of testdata/losses.py.
func inputs(k int, weights []float64) (logits []float32, targets []Target) {
	for i := range n {
		t := Target{Class: i * 3 % 4, Value: float64(i-2) / 3, Weight: 1}
		if weights != nil {
			t.Weight = weights[i]
		}
		for j := range k {
			logits = append(logits, float32((i*7+j*5)%11-5)/2)
			t.Teacher = append(t.Teacher, float32((i*3+j*8)%13-6)/3)
			if (i+j)%3 == 0 {
				t.Classes = append(t.Classes, j)
			}
		}
		targets = append(targets, t)
	}
	return logits, targets
}

// TestPyTorch compares losses and gradients with PyTorch's, of a whole step and of a step in
// two parts.
func TestPyTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/losses.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name         string
		Problem      models.Problem
		Loss         float64
		Gradient     []float64
		ClassWeights []float64 `json:"class_weights"`
		Smoothing    float64
		Weights      []float64
		TeacherShare float64 `json:"teacher_share"`
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		k := len(c.Gradient) / n
		o := Objective{Problem: c.Problem, Labels: k, ClassWeights: c.ClassWeights, Smoothing: c.Smoothing, TeacherShare: c.TeacherShare}
		if err := o.Check(); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		logits, targets := inputs(k, c.Weights)
		total := o.Total(targets)
		for _, cut := range []int{n, 2} {
			loss, gradient := 0.0, []float32{}
			for _, part := range [][2]int{{0, cut}, {cut, n}} {
				if part[0] == part[1] {
					continue
				}
				x := tape.Variable(append([]float32(nil), logits[part[0]*k:part[1]*k]...), part[1]-part[0], k)
				l := o.Loss(x, targets[part[0]:part[1]], total)
				if err := ag.Backward(l); err != nil {
					t.Fatal(err)
				}
				loss += l.Value().Item().F64()
				gradient = append(gradient, mat.Data[float32](x.Grad())...)
			}
			if math.Abs(loss-c.Loss) > 1e-5*(1+c.Loss) {
				t.Errorf("%s, cut at %d: loss %g, PyTorch has %g", c.Name, cut, loss, c.Loss)
			}
			for i, want := range c.Gradient {
				if math.Abs(float64(gradient[i])-want) > 1e-6+1e-4*math.Abs(want) {
					t.Errorf("%s, cut at %d: gradient %d is %g, PyTorch has %g", c.Name, cut, i, gradient[i], want)
				}
			}
		}
	}
}

// TestSpago compares cross entropy with spago's own formula.
func TestSpago(t *testing.T) {
	logits, targets := inputs(4, nil)
	o := Objective{Problem: models.SingleLabel, Labels: 4}
	x := tape.Variable(append([]float32(nil), logits...), n, 4)
	loss := o.Loss(x, targets, o.Total(targets))
	if err := ag.Backward(loss); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, target := range targets {
		row := mat.NewDense[float32](mat.WithBacking(append([]float32(nil), logits[4*i:4*i+4]...)), mat.WithGrad(true))
		l := losses.CrossEntropy(row, target.Class)
		if err := ag.Backward(l); err != nil {
			t.Fatal(err)
		}
		sum += l.Value().Item().F64() / n
		for j, g := range mat.Data[float32](row.Grad()) {
			if got := mat.Data[float32](x.Grad())[4*i+j]; math.Abs(float64(got-g/n)) > 1e-6 {
				t.Errorf("gradient (%d, %d) is %g, spago has %g", i, j, got, g/n)
			}
		}
	}
	if got := loss.Value().Item().F64(); math.Abs(got-sum) > 1e-6 {
		t.Errorf("loss is %g, spago has %g", got, sum)
	}
}

func TestCheck(t *testing.T) {
	for _, o := range []Objective{
		{Problem: models.SingleLabel, Labels: 2, ClassWeights: []float64{1}},
		{Problem: models.Regression, Labels: 1, ClassWeights: []float64{1}},
		{Problem: models.SingleLabel, Labels: 2, Smoothing: 1},
		{Problem: models.SingleLabel, Labels: 2, TeacherShare: 1.5},
		{Problem: models.SingleLabel, Labels: 2, TeacherShare: math.NaN()},
	} {
		if o.Check() == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
