package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"kenserve/bulk"
	"kenserve/dataset"
	"kenserve/gemm"
	"kenserve/runtime"
)

func open(t *testing.T) *bulk.Classifier {
	t.Helper()
	base, file := writeTask(t)
	c, err := bulk.Open(context.Background(), file, base, nil, gemm.Float32)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestStreamKeepsOrder gives every row its own number of words, and finds its id and
// scores at its place.
func TestStreamKeepsOrder(t *testing.T) {
	c := open(t)
	var in strings.Builder
	const rows = 10*bulk.BatchTexts + 7
	for i := range rows {
		fmt.Fprintf(&in, "{\"id\": %d, \"text\": \"%s\"}\n", i, strings.Repeat("what ", i%9))
	}
	var alone [9]float32 // the first score of each text
	for i := range alone {
		r, err := c.Engine.Classify(context.Background(), c.Task, []runtime.Input{{Text: strings.Repeat("what ", i)}}, runtime.Options{})
		if err != nil {
			t.Fatal(err)
		}
		alone[i] = r.Scores[0][0]
	}
	n, position := 0, int64(0)
	err := c.Stream(context.Background(), read(t, in.String()), runtime.Options{}, func(b *bulk.Batch) error {
		if b.Position < position {
			t.Errorf("position %d after %d", b.Position, position)
		}
		position = b.Position
		for i, row := range b.Rows {
			if row.ID != fmt.Sprint(n) || row.Number != n+1 || b.Result.Scores[i][0] != alone[n%9] {
				t.Fatalf("row %d is %+v with score %g, want %g", n, row, b.Result.Scores[i][0], alone[n%9])
			}
			n++
		}
		return nil
	})
	if err != nil || n != rows || position != int64(in.Len()) {
		t.Errorf("%d rows of %d, position %d of %d, %v", n, rows, position, in.Len(), err)
	}
}

// TestStreamStops ends a stream whose input never ends, in different ways.
func TestStreamStops(t *testing.T) {
	c := open(t)
	stop := errors.New("stop")
	long := strings.Repeat("what\n", bulk.BatchTexts)
	for _, test := range []struct {
		name string
		f    func(cancel func()) error
		want error
	}{
		{"error of f", func(func()) error { return stop }, stop},
		{"cancelled", func(cancel func()) error { cancel(); return nil }, context.Canceled},
	} {
		pipe, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, long+"a text without an end") }()
		in, err := dataset.NewReader("pipe", pipe, dataset.Options{Format: dataset.Text})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		err = c.Stream(ctx, in, runtime.Options{}, func(*bulk.Batch) error { return test.f(cancel) })
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
		cancel()
		_ = w.Close()
	}
}

// TestStreamBounds counts the bytes that are read while nothing is written.
func TestStreamBounds(t *testing.T) {
	c := open(t)
	row := "{\"text\": \"" + strings.Repeat("what ", 200<<10) + "\"}\n" // 1 MB
	in, err := dataset.NewReader("texts", strings.NewReader(strings.Repeat(row, 64)), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	err = c.Stream(context.Background(), in, runtime.Options{Truncate: true}, func(*bulk.Batch) error { return stop })
	if !errors.Is(err, stop) || in.Position() > 32<<20 {
		t.Errorf("%d bytes were read, %v", in.Position(), err)
	}
}
