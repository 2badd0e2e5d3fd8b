package main

import (
	"fmt"
	"strings"

	"kenserve/dataset"
)

// dataFlags say how to read a file of texts.
type dataFlags struct {
	Format         string `default:"auto" enum:"auto,text,jsonl,json,csv,tsv" help:"Format of the texts: ${enum}. auto finds it by the file's name and first bytes; json is a JSON array or JSON lines. Each may be compressed with gzip."`
	TextColumn     string `placeholder:"NAME" help:"Member or column of the texts, or a column's number from 1 in a CSV without a first line of names (default: text)."`
	TextPairColumn string `placeholder:"NAME" help:"Member or column of the second texts of pairs (default: text_pair, where it is there)."`
}

// labelFlags say how to read a file of labelled texts.
type labelFlags struct {
	dataFlags
	LabelColumn string `placeholder:"NAME" help:"Member or column of the labels (default: label). A label is a name or its number from 0; several are a list, or have | between them in a CSV."`
}

func (f *dataFlags) options() dataset.Options {
	return dataset.Options{Format: dataset.Format(f.Format), Columns: dataset.Columns{Text: f.TextColumn, Pair: f.TextPairColumn}}
}

func (f *labelFlags) options() dataset.Options {
	o := f.dataFlags.options()
	o.Columns.Label, o.Labelled = f.LabelColumn, true
	return o
}

// openData opens a file of texts. Unless it is JSON lines or plain text, openData writes to
// the standard error how it is read.
func openData(path string, s streams, command string, o dataset.Options) (*dataset.Reader, error) {
	r, err := dataset.Open(path, s.in, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	if f := r.Format(); f != dataset.JSONLines && f != dataset.Text {
		fmt.Fprintf(s.err, "%s: reads %s\n", command, r.Describe())
	}
	if namesColumns(r) { // of other formats, only the rows tell the names
		printIgnored(r, s, command, "columns")
	}
	return r, nil
}

func namesColumns(r *dataset.Reader) bool {
	return r.Format() == dataset.CSV || r.Format() == dataset.TSV
}

// reportIgnored writes to the standard error which members of JSON objects a reader has seen
// and not used. openData does so for columns.
func reportIgnored(r *dataset.Reader, s streams, command string) {
	if !namesColumns(r) {
		printIgnored(r, s, command, "members")
	}
}

func printIgnored(r *dataset.Reader, s streams, command, what string) {
	names := r.Ignored()
	if len(names) == 0 {
		return
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%q", name)
	}
	fmt.Fprintf(s.err, "%s: ignores %s %s\n", command, what, strings.Join(names, ", "))
}
