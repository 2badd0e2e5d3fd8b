package bulk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kenserve/bulk"
	"kenserve/gemm"
)

// interrupted is an output of two batches with its journal, as a killed run leaves them.
type interrupted struct {
	input, output, journal string
	whole                  string // the output of a run that was left alone
}

// interrupt classifies rows and stops after two batches.
func interrupt(t *testing.T, c *bulk.Classifier, o bulk.LineOptions) interrupted {
	t.Helper()
	dir := t.TempDir()
	var in strings.Builder
	for i := range 2*bulk.BatchTexts + 3 {
		fmt.Fprintf(&in, "{\"id\": %d, \"text\": \"%s\", \"text_pair\": \"who\"}\n", i, strings.Repeat("what ", i%9))
	}
	var whole bytes.Buffer
	if err := c.Lines(context.Background(), read(t, in.String()), &whole, o); err != nil {
		t.Fatal(err)
	}
	output, journal := openFile(t, filepath.Join(dir, "out")), openFile(t, filepath.Join(dir, "out.resume"))
	var err error
	if o.Journal, err = c.StartJournal(context.Background(), journal, o); err != nil {
		t.Fatal(err)
	}
	if err := c.Lines(context.Background(), read(t, in.String()), &failingWriter{output, 2}, o); !errors.Is(err, errFull) {
		t.Fatal(err)
	}
	return interrupted{input: in.String(), output: content(t, output.Name()), journal: content(t, journal.Name()), whole: whole.String()}
}

// errFull is the error of a failingWriter.
var errFull = errors.New("no room")

// failingWriter passes so many writes on, and fails then.
type failingWriter struct {
	io.Writer
	left int
}

func (w *failingWriter) Write(data []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, errFull
	}
	return w.Writer.Write(data)
}

func openFile(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// lines returns the first n lines of a text.
func lines(text string, n int) string {
	return strings.Join(strings.SplitAfterN(text, "\n", n+1)[:n], "")
}

// TestContinueJournal continues an interrupted run, after something was changed.
func TestContinueJournal(t *testing.T) {
	c := open(t)
	o := bulk.LineOptions{WithText: true}
	run := interrupt(t, c, o)
	const batch = bulk.BatchTexts
	for _, test := range []struct {
		name    string
		change  func(r *interrupted)
		options bulk.LineOptions
		rows    int // that need not be computed again
		err     string
	}{
		{"nothing", func(*interrupted) {}, o, 2 * batch, ""},
		{"a part of a line is written", func(r *interrupted) { r.output += `{"id":51` }, o, 2 * batch, ""},
		{"more is written than noted", func(r *interrupted) { r.output = r.whole }, o, 2 * batch, ""},
		{"less is written than noted", func(r *interrupted) { r.output = r.output[:len(r.output)-1] }, o, batch, ""},
		{"nothing is written", func(r *interrupted) { r.output = "" }, o, 0, ""},
		{"no files", func(r *interrupted) { r.output, r.journal = "", "" }, o, 0, ""},
		{"a part of a line is noted", func(r *interrupted) { r.journal += `{"rows":51` }, o, 2 * batch, ""},
		{"only the run is noted", func(r *interrupted) { r.journal = lines(r.journal, 1) }, o, 0, ""},
		{"a part of the run is noted", func(r *interrupted) { r.output, r.journal = "", r.journal[:40] }, o, 0, ""},
		{"the input grows", func(r *interrupted) { r.input += "{\"text\": \"new\"}\n" }, o, 2 * batch, ""},
		{"another form of the input", func(r *interrupted) { r.input = strings.ReplaceAll(r.input, ": ", " :  ") }, o, 2 * batch, ""},

		{"no journal", func(r *interrupted) { r.journal = "" }, o, 0, "the output is complete, or another program wrote it"},
		{"complete", func(r *interrupted) { r.output, r.journal = r.whole, "" }, o, 0, "the output is complete, or another program wrote it"},
		{"a foreign journal", func(r *interrupted) { r.journal = "my notes\n" }, o, 0, "is the file of another program"},
		{"a damaged journal", func(r *interrupted) { r.journal = lines(r.journal, 1) + "{\"rows\":\n" }, o, 0, "line 2 is damaged"},
		{"the output is changed", func(r *interrupted) { r.output = strings.Replace(r.output, "LOC", "LOL", 1) }, o, 0, "somebody has changed it"},
		{"the first text is changed", func(r *interrupted) { r.input = strings.Replace(r.input, "\"\"", "\"when\"", 1) }, o, 0, "another input"},
		{"an id is changed", func(r *interrupted) { r.input = strings.Replace(r.input, ": 7,", ": 77,", 1) }, o, 0, "another input"},
		{"a second text is changed", func(r *interrupted) { r.input = strings.Replace(r.input, "who", "", 1) }, o, 0, "another input"},
		{"texts and pairs change places", func(r *interrupted) {
			r.input = strings.Replace(r.input, "\"\", \"text_pair\": \"who\"", "\"who\", \"text_pair\": \"\"", 1)
		}, o, 0, "another input"},
		{"a row is missing", func(r *interrupted) { r.input = strings.SplitAfterN(r.input, "\n", 2)[1] }, o, 0, "another input"},
		{"fewer rows", func(r *interrupted) { r.input = lines(r.input, 10) }, o, 0, "answers to 512 texts, and the input only 10"},
		{"without texts", func(*interrupted) {}, bulk.LineOptions{}, 0, "another choice of texts in the output: true, now false"},
		{"fewer labels", func(*interrupted) {}, bulk.LineOptions{WithText: true, TopK: 1}, 0, "another number of labels: 0, now 1"},
		{"logits", func(*interrupted) {}, bulk.LineOptions{WithText: true, Raw: true}, 0, "another kind of scores"},
	} {
		t.Run(test.name, func(t *testing.T) {
			now, dir := run, t.TempDir()
			test.change(&now)
			output, journal := openFile(t, filepath.Join(dir, "out")), openFile(t, filepath.Join(dir, "out.resume"))
			fmt.Fprint(output, now.output)
			fmt.Fprint(journal, now.journal)
			_, _ = output.Seek(0, 0)
			in := read(t, now.input)
			j, err := c.ContinueJournal(context.Background(), journal, output, in, test.options)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || content(t, output.Name()) != now.output {
					t.Errorf("error %v, want %q and the output as it was", err, test.err)
				}
				return
			}
			if err != nil || j.Rows() != test.rows {
				t.Fatalf("%d rows, want %d: %v", j.Rows(), test.rows, err)
			}
			test.options.Journal = j
			if err := c.Lines(context.Background(), in, output, test.options); err != nil || lines(content(t, output.Name()), 2*batch+3) != now.whole {
				t.Errorf("it was continued differently: %v", err)
			}
			if err := j.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestContinueJournalElsewhere continues a run with another delta, base or compute type.
func TestContinueJournalElsewhere(t *testing.T) {
	base, file := writeTask(t)
	other, otherFile := writeTask(t)
	appendTo := func(path, text string) {
		data := content(t, path)
		if err := os.WriteFile(path, []byte(data+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	appendTo(filepath.Join(other, "tokenizer_config.json"), "\n")
	start := func(base, file string, compute gemm.Compute) *bulk.Classifier {
		c, err := bulk.Open(context.Background(), file, base, nil, compute)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	run := interrupt(t, start(base, file, gemm.Float32), bulk.LineOptions{})
	for _, test := range []struct {
		name string
		c    *bulk.Classifier
		err  string
	}{
		{"the same in another place", start(base, otherFile, gemm.Float32), ""},
		{"another delta", start(base, writeDelta(t, base, 3), gemm.Float32), "another delta"},
		{"another tokenizer", start(other, file, gemm.Float32), "another base or its tokenizer"},
		{"another compute type", start(base, file, gemm.Int8), "another compute type: float32, now int8"},
	} {
		dir := t.TempDir()
		output, journal := openFile(t, filepath.Join(dir, "out")), openFile(t, filepath.Join(dir, "out.resume"))
		fmt.Fprint(output, run.output)
		fmt.Fprint(journal, run.journal)
		_, _ = output.Seek(0, 0)
		_, err := test.c.ContinueJournal(context.Background(), journal, output, read(t, run.input), bulk.LineOptions{})
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
	}
}
