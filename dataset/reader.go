package dataset

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Format is the form of a file.
type Format string

// The formats. Auto finds the format by the file's name and its first bytes.
const (
	Auto      Format = "auto"
	JSONLines Format = "jsonl"
	JSONArray Format = "json"
	CSV       Format = "csv"
	TSV       Format = "tsv"
	Text      Format = "text"
)

// formats lists the formats.
var formats = []Format{Auto, JSONLines, JSONArray, CSV, TSV, Text}

// Columns are the names of a row's parts: of JSON members, or of columns of a
// CSV. There a number from 1 is the column at that place. An empty name stands
// for the default: text, text_pair, label, id, weight.
type Columns struct {
	Text, Pair, Label, ID, Weight string
}

func (c Columns) withDefaults() Columns {
	for _, d := range []struct {
		name  *string
		usual string
	}{{&c.Text, "text"}, {&c.Pair, "text_pair"}, {&c.Label, "label"}, {&c.ID, "id"}, {&c.Weight, "weight"}} {
		if *d.name == "" {
			*d.name = d.usual
		}
	}
	return c
}

// Options say how to read a file.
type Options struct {
	Format  Format // empty: Auto
	Columns Columns
	// Labelled demands a label in every row, and takes a file whose format is
	// not clear for JSON lines. Without it, such a file is plain text, and labels
	// are not read.
	Labelled bool
	// Unlabelled, beside Labelled, returns rows without a label instead of an error,
	// if the file has a place for labels.
	Unlabelled bool
	// Weighted reads weights. Without it every row has the weight 1.
	Weighted bool
}

// Row is one row of a file.
type Row struct {
	Number int // from 1
	line   int // where the row begins, from 1
	Text   string
	Pair   *string // nil: none
	Label  Label
	ID     string  // as JSON; empty: none
	Weight float64 // 1 where the file has none
}

// bufferSize is small, so that Position is close to the rows that were read.
const bufferSize = 4 << 10

// maxRow bounds a row, in bytes.
const maxRow = 16 << 20

// Reader reads the rows of one file, in order.
type Reader struct {
	name    string
	format  Format
	columns Columns
	options Options
	source  rowSource
	named   Columns         // the names that Options gave; empty for a default
	about   string          // see Describe
	unused  map[string]bool // names that were seen and are not used
	number  int             // of the last row
	size    int64
	read    *countingReader
	closers []io.Closer
}

// rowSource is one format's way to the next row. It returns io.EOF after the
// last. The Number is the Reader's to set. A row that comes with an error has
// its Line, if that is known.
type rowSource interface {
	next() (Row, error)
}

// Open opens the file at path; "-" is stdin. Close ends it.
func Open(path string, stdin io.Reader, o Options) (*Reader, error) {
	if path == "-" {
		return NewReader("standard input", stdin, o)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open data: %w", err)
	}
	r, err := NewReader(path, f, o)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	r.closers = append(r.closers, f)
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		r.size = info.Size()
	}
	return r, nil
}

// NewReader reads in, which name describes in errors and whose ending tells the
// format.
func NewReader(name string, in io.Reader, o Options) (*Reader, error) {
	r := &Reader{name: name, format: o.Format, columns: o.Columns.withDefaults(), named: o.Columns, options: o, size: -1, unused: map[string]bool{}}
	r.read = &countingReader{in: in}
	b := bufio.NewReaderSize(r.read, bufferSize)
	base := strings.ToLower(filepath.Base(name))
	if isGzip(b) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("read %s: not a valid gzip file: %w", name, err)
		}
		r.closers = append(r.closers, z)
		b = bufio.NewReaderSize(z, bufferSize)
		base = strings.TrimSuffix(base, ".gz")
	}
	b, err := plainUTF8(b, r.format == Auto || r.format == "")
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if r.format == Auto || r.format == "" {
		r.format = r.detect(base, b)
	}
	if r.format == JSONArray && !beginsWithBracket(b) {
		r.format = JSONLines // both are called json
	}
	switch r.format {
	case JSONLines:
		r.about = "JSON lines, the text in " + strconv.Quote(r.columns.Text)
		r.source = &lines{scanner: newScanner(b), parse: r.parseLine}
	case Text:
		r.about = "plain text, one text a line"
		r.source = &lines{scanner: newScanner(b), parse: parseText}
	case JSONArray:
		r.about = "a JSON array of objects, the text in " + strconv.Quote(r.columns.Text)
		r.source, err = newArray(b, r.parseObject)
	case CSV, TSV:
		var t *table
		if t, err = newTable(b, r.format, r.named, r.options); err == nil {
			r.source, r.about = t, t.describe()
			for _, name := range t.unused() {
				r.unused[name] = true
			}
		}
	default:
		return nil, fmt.Errorf("read %s: unknown format %q, want one of %v", name, r.format, formats)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return r, nil
}

// usualNames are names of columns in common data sets, in lower case. A first line
// with one of them names columns, even if none is the texts'.
var usualNames = map[string]bool{
	"text": true, "texts": true, "text_a": true, "text_b": true, "text_pair": true, "text1": true, "text2": true,
	"sentence": true, "sentence1": true, "sentence2": true, "sentence_a": true, "sentence_b": true, "utterance": true, "query": true,
	"question": true, "question1": true, "question2": true, "premise": true, "hypothesis": true, "content": true, "body": true,
	"review": true, "tweet": true, "comment": true, "comment_text": true, "document": true, "input": true, "message": true, "title": true,
	"label": true, "labels": true, "target": true, "class": true, "category": true, "sentiment": true, "intent": true, "emotion": true,
	"score": true, "rating": true, "gold": true, "id": true, "idx": true, "index": true, "weight": true,
}

// Read returns the next row, or io.EOF after the last.
func (r *Reader) Read() (Row, error) {
	row, err := r.source.next()
	if err == io.EOF {
		return Row{}, err
	}
	r.number++
	row.Number = r.number
	if err == nil && r.options.Labelled && row.Label.IsAbsent() && !(r.options.Unlabelled && r.hasLabels()) {
		err = r.noLabel(row)
	}
	if err != nil {
		return Row{}, fmt.Errorf("read %s: %w", r.name, r.at(row, err))
	}
	return row, nil
}

// hasLabels tells whether rows of the file can have labels.
func (r *Reader) hasLabels() bool {
	t, isTable := r.source.(*table)
	return r.format != Text && (!isTable || t.label >= 0)
}

// noLabel says that a row has no label, and how to name it.
func (r *Reader) noLabel(row Row) error {
	switch t, isTable := r.source.(*table); {
	case r.format == Text:
		return errors.New("plain text has no labels; use CSV, or JSON lines such as {\"text\": \"…\", \"label\": \"…\"}")
	case isTable && t.label < 0:
		return fmt.Errorf("no %q; there are columns %s: name the column of the labels with --label-column", r.columns.Label, listNames(t.names))
	case !isTable && len(r.unused) > 0:
		return fmt.Errorf("no %q; other members are %s: the member of the labels can be named with --label-column", r.columns.Label, listNames(r.Ignored()))
	}
	return fmt.Errorf("no %q", r.columns.Label)
}

// At gives an error about a row its place in the file.
func (r *Reader) At(row Row, err error) error {
	return fmt.Errorf("%s: %w", r.name, r.at(row, err))
}

func (r *Reader) at(row Row, err error) error {
	switch {
	case r.format == JSONLines || r.format == Text:
		return fmt.Errorf("line %d: %w", row.line, err)
	case row.line == 0:
		return fmt.Errorf("row %d: %w", row.Number, err)
	}
	return fmt.Errorf("row %d (line %d): %w", row.Number, row.line, err)
}

// Batches calls f for up to size rows at a time, until the file ends or f fails.
// The slice is used again after f has returned.
func (r *Reader) Batches(size int, f func([]Row) error) error {
	batch := make([]Row, 0, size)
	for {
		row, err := r.Read()
		if err == nil {
			batch = append(batch, row)
		}
		if len(batch) == size || err != nil && len(batch) > 0 {
			if err := f(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Format returns the file's format.
func (r *Reader) Format() Format { return r.format }

// Describe says in one sentence how the file is read, for a person to check:
// the format, and for a CSV which column is used for what.
func (r *Reader) Describe() string { return r.about }

// Ignored lists, sorted, the names of members or columns that were seen so far
// and are not used.
func (r *Reader) Ignored() []string {
	return slices.Sorted(maps.Keys(r.unused))
}

// Size returns the file's bytes, or -1 if they are not known.
func (r *Reader) Size() int64 { return r.size }

// Position returns how many of the file's bytes were read. It may be called from
// any goroutine.
func (r *Reader) Position() int64 { return r.read.n.Load() }

// Close closes the file. Standard input stays open.
func (r *Reader) Close() error {
	var errs []error
	for _, c := range r.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

type countingReader struct {
	in io.Reader
	n  atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}
