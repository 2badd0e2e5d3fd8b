package dataset

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// content is a row as tests write it: text, pair ("-": none), label.
type content [3]string

func readAll(t *testing.T, name, data string, o Options) ([]content, *Reader, error) {
	t.Helper()
	r, err := NewReader(name, strings.NewReader(data), o)
	if err != nil {
		return nil, nil, err
	}
	var rows []content
	for {
		row, err := r.Read()
		if err == io.EOF {
			return rows, r, nil
		}
		if err != nil {
			return rows, r, err
		}
		c := content{row.Text, "-", row.Label.String()}
		if row.Pair != nil {
			c[1] = *row.Pair
		}
		rows = append(rows, c)
	}
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func TestFormats(t *testing.T) {
	labelled := Options{Labelled: true}
	one := []content{{"Who?", "-", `"HUM"`}}
	for _, c := range []struct {
		name, file, data string
		options          Options
		format           Format
		want             []content
	}{
		{"JSON lines", "f", `{"text":"Who?","label":"HUM"}`, labelled, JSONLines, one},
		{"a byte order mark and CRLF", "f", "\ufeff{\"text\":\"Who?\",\"label\":\"HUM\"}\r\n", labelled, JSONLines, one},
		{"blank lines", "f", "\n{\"text\":\"Who?\",\"label\":\"HUM\"}\n \n", labelled, JSONLines, one},
		{"gzip", "f.jsonl.gz", zipped(`{"text":"Who?","label":"HUM"}`), labelled, JSONLines, one},
		{"gzip without a name", "f", zipped("text,label\nWho?,HUM\n"), labelled, CSV, one},
		{"an array", "f", `[{"text":"Who?","label":"HUM"}]`, labelled, JSONArray, one},
		{"an array on several lines", "f", "[\n {\n \"text\": \"Who?\",\n \"label\": \"HUM\"}\n]\n", labelled, JSONArray, one},
		{"an empty array", "f.json", `[]`, labelled, JSONArray, nil},
		{"CSV", "f.csv", "text,label\nWho?,HUM\n", labelled, CSV, one},
		{"CSV by its first line", "f", "label,text\nHUM,Who?\n", labelled, CSV, one},
		{"CSV with a mark and CRLF", "f.csv", "\ufefftext,label\r\nWho?,HUM\r\n", labelled, CSV, one},
		{"CSV with carriage returns", "f.csv", "text,label\rWho?,HUM\r\"a\rb\",LOC", labelled, CSV, []content{{"Who?", "-", `"HUM"`}, {"a\nb", "-", `"LOC"`}}},
		{"texts with carriage returns", "f", "Who?\rWhere?\r", Options{}, Text, []content{{"Who?", "-", ""}, {"Where?", "-", ""}}},
		{"JSON lines with carriage returns", "f", "{\"text\":\"Who?\",\"label\":\"HUM\"}\r", labelled, JSONLines, one},
		{"TSV with tabs and line ends in quotes", "f.tsv", "text\tlabel\n\"a\tb\nc\nd\"\tHUM\n", labelled, TSV, []content{{"a\tb\nc\nd", "-", `"HUM"`}}},
		{"CSV with semicolons", "f.csv", "text;label\nWho?;HUM\n", labelled, CSV, one},
		{"CSV with quotes", "f.csv", "text,label\n\"Who, \"\"me\"\"\nor you?\",HUM\n", labelled, CSV, []content{{"Who, \"me\"\nor you?", "-", `"HUM"`}}},
		{"CSV with names in other case", "f.csv", "Text,Label\nWho?,HUM\n", labelled, CSV, one},
		{"TSV", "f.tsv", "text\tlabel\nWho?\tHUM\n", labelled, TSV, one},
		{"pairs", "f.csv", "text,text_pair,label\na,b,HUM\n", labelled, CSV, []content{{"a", "b", `"HUM"`}}},
		{"other columns", "f.csv", "sentence1,sentence2,gold\na,b,HUM\n", Options{Labelled: true, Columns: Columns{Text: "sentence1", Pair: "sentence2", Label: "gold"}}, CSV, []content{{"a", "b", `"HUM"`}}},
		{"columns by number", "f.csv", "Who?,HUM\n", Options{Labelled: true, Columns: Columns{Text: "1", Label: "2"}}, CSV, one},
		{"texts", "f", "Who?\n\nWhere?", Options{}, Text, []content{{"Who?", "-", ""}, {"", "-", ""}, {"Where?", "-", ""}}},
		{"texts with commas", "f", "Well, who?\n", Options{}, Text, []content{{"Well, who?", "-", ""}}},
		{"texts that begin with a bracket", "f", "[1] Who?\n", Options{}, Text, []content{{"[1] Who?", "-", ""}}},
		{"a CSV is no texts", "f", "text,label\nWho?,HUM\n", Options{}, CSV, []content{{"Who?", "-", ""}}},
		{"JSON is no texts", "f", `{"text":"Who?"}`, Options{}, JSONLines, []content{{"Who?", "-", ""}}},
		{"null is absent", "f", `{"text":"Who?","text_pair":null,"label":null}`, Options{}, JSONLines, []content{{"Who?", "-", ""}}},
		{"nothing", "f", "", labelled, JSONLines, nil},
		{"a CSV without rows", "f.csv", "text,label\n", labelled, CSV, nil},
		{"an empty CSV", "f.csv", "", labelled, CSV, nil},
		{"one column", "f", "text\n\"Well, who?\"\nWhere?\n", Options{}, CSV, []content{{"Well, who?", "-", ""}, {"Where?", "-", ""}}},
		{"an empty second text in a CSV", "f.csv", "text,text_pair\na,b\na,\n", Options{}, CSV, []content{{"a", "b", ""}, {"a", "-", ""}}},
		{"labels that nobody reads", "f.jsonl", `{"text":"Who?","label":{}}`, Options{}, JSONLines, []content{{"Who?", "-", ""}}},
		{"JSON lines called json", "f.json", `{"text":"Who?"}`, Options{}, JSONLines, []content{{"Who?", "-", ""}}},
		{"JSON lines as json", "f", `{"text":"Who?"}`, Options{Format: JSONArray}, JSONLines, []content{{"Who?", "-", ""}}},
		{"an array called jsonl", "f.jsonl", `[{"text":"Who?"}]`, Options{}, JSONArray, []content{{"Who?", "-", ""}}},
		{"a text that names something usual", "f", "Class, dismissed.\nThe score, please\n", Options{}, Text, []content{{"Class, dismissed.", "-", ""}, {"The score, please", "-", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, r, err := readAll(t, c.file, c.data, c.options)
			if err != nil {
				t.Fatal(err)
			}
			if r.Format() != c.format {
				t.Errorf("the format is %s, want %s", r.Format(), c.format)
			}
			if diff := cmp.Diff(c.want, rows); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrorsOfRows(t *testing.T) {
	labelled := Options{Labelled: true, Weighted: true}
	for _, c := range []struct {
		name, file, data, want string
	}{
		{"no label", "f", `{"text":"a"}`, `line 1: no "label"`},
		{"a null label", "f", `{"text":"a","label":null}`, `line 1: no "label"`},
		{"an empty label in a CSV", "f.csv", "text,label\na,x\nb,\n", `row 2 (line 3): no "label"`},
		{"no text", "f", `{"sentence":"a","label":1}`, `line 1: no "text"; there are members label, sentence: name the member of the texts with --text-column`},
		{"no text in a CSV", "f.csv", "sentence,label\na,1\n", `no "text"; there are columns label, sentence`},
		{"a number as text", "f", `{"text":5,"label":1}`, `"text" is a number, want a string`},
		{"a label that is an object", "f", `{"text":"a","label":{}}`, `"label" is an object, want a label's name`},
		{"a cut line", "f", "{\"text\":\"a\",\"label\":1}\n{\"text\":\"cut", "line 2: the JSON ends too early"},
		{"a cut array", "f", "[{\"text\":\"a\",\"label\":1},\n{\"text\":\"cut", "row 2 (line 1): the JSON array ends too early"},
		{"an array that goes on", "f", `[{"text":"a","label":1}] x`, "more text after the JSON array"},
		{"two objects on a line", "f", `{"text":"a","label":1}{"text":"b","label":1}`, "more text after the JSON object"},
		{"an object on several lines", "f", "{\n\"text\":\"a\",\"label\":1}", "an object must begin and end on the same line"},
		{"a duplicate member", "f", `{"text":"a","label":1,"label":2}`, `member "label" occurs twice`},
		{"half a surrogate pair", "f", `{"text":"a \ud83d b","label":1}`, "lone surrogates"},
		{"Latin-1", "f", "{\"text\":\"caf\xe9\",\"label\":1}", "line 1: not UTF-8"},
		{"Latin-1 in a CSV", "f.csv", "text,label\ncaf\xe9,1\n", "row 1 (line 2): not UTF-8"},
		{"UTF-16", "f", "\xff\xfe{\x00", "the file is UTF-16, want UTF-8"},
		{"UTF-32", "f", "\xff\xfe\x00\x00{\x00\x00\x00", "the file is UTF-32, want UTF-8"},
		{"UTF-16 without a mark", "f", "{\x00\"\x00", "a NUL byte, as in UTF-16"},
		{"a NUL byte far down", "f", strings.Repeat("{\"text\":\"a\",\"label\":1}\n", 300) + "{\"text\":\"\x00\"}", "line 301: there is a NUL byte"},
		{"a NUL byte far down a CSV", "f.csv", "text,label\n" + strings.Repeat("a,1\n", 2000) + "\x00,1\n", "row 2001 (line 2002): there is a NUL byte"},
		{"a Git LFS pointer", "f.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS pointer"},
		{"gzip twice", "f.gz", zipped(zipped("{}")), "compressed with gzip twice"},
		{"a null text", "f", `{"text":null,"label":1}`, `line 1: "text" is null, want a string; leave the row out`},
		{"rows between two quotes of a TSV", "f.tsv", "text\tlabel\n\"a\t1\nb\t0\nc\"\t1\n", "row 1 (line 2): a double quote begins a value that ends 2 lines below, and these lines look like rows"},
		{"a carriage return in a name", "f.csv", "\"text\",\"la\rbel\"\na,1\n", "has a carriage return or NUL byte"},
		{"a string", "f", `"a"`, "the row is a string, want an object"},
		{"a row that is too short", "f.csv", "text,label\na\n", "row 1 (line 2): 1 value, the first line has 2"},
		{"a row that is too long", "f.csv", "text,label\na,b,c\n", "row 1 (line 2): 3 values, the first line has 2"},
		{"a quote inside a value", "f.csv", "text,label\na \"b\" c,d\n", "a double quote inside a value"},
		{"a quote that does not end", "f.csv", "text,label\n\"a,d\n", "no closing one"},
		{"a negative weight", "f.csv", "text,label,weight\na,b,-1\n", `"weight" is -1`},
		{"not gzip", "f.gz", "\x1f\x8bnonsense", "not a valid gzip file"},
		{"a line beyond the limit", "f", `{"text":"` + strings.Repeat("a", maxRow) + `","label":1}`, "longer than 16777216 bytes"},
		{"a value beyond the limit", "f.csv", "text,label\n\"" + strings.Repeat("a", maxRow+2<<20) + "\",x\n", "longer than 16777216 bytes"},
		{"an entry beyond the limit", "f", `[{"text":"` + strings.Repeat("a", maxRow+2<<20) + `","label":1}]`, "longer than 16777216 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readAll(t, c.file, c.data, labelled)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one with %q", err, c.want)
			}
			for _, foreign := range []string{"Go struct", "Go value", "invalid character", "jsontext", " csv:", "parse error", "unmarshal", "bare"} {
				if strings.Contains(err.Error(), foreign) {
					t.Errorf("the error says %q: %v", foreign, err)
				}
			}
		})
	}
}

// TestRefusedFiles has files that are no texts, or not in the way that was asked for.
func TestRefusedFiles(t *testing.T) {
	for _, c := range []struct {
		name, file, data string
		options          Options
		want             string
	}{
		{"JSON without a text", "f", `{"sentence":"a","label":1}`, Options{}, "there are members label, sentence: name the member"},
		{"JSON on several lines", "f", "{\n \"text\": \"a\"\n}", Options{}, "an object must begin and end on the same line"},
		{"an array of strings", "f", `["a", "b"]`, Options{}, "the row is a string, want an object"},
		{"a CSV with other names", "f", "sentence,label\na,b\n", Options{}, "there are columns label, sentence: name the column of the texts with --text-column, or read the lines as texts with --format text"},
		{"a TSV with other names", "f", "idx\tReview\n1\tb\n", Options{}, "there are columns Review, idx"},
		{"a CSV of pandas", "f", ",content,class\n0,b,c\n", Options{}, "name the column of the texts"},
		{"two columns of texts", "f.csv", "text,label,text\na,b,c\n", Options{}, `there are two columns "text"`},
		{"no such second column", "f.csv", "text,label\na,b\n", Options{Columns: Columns{Pair: "other"}}, `no column "other", which --text-pair-column names; there are columns label, text`},
		{"no such second member", "f", `{"text":"a"}`, Options{Columns: Columns{Pair: "other"}}, `no "other", which --text-pair-column names`},
		{"no such label column", "f.csv", "text,label\na,b\n", Options{Labelled: true, Columns: Columns{Label: "gold"}}, `no column "gold", which --label-column names`},
		{"no such number", "f.csv", "a,b\n", Options{Labelled: true, Columns: Columns{Text: "1", Label: "3"}}, "no column 3, which --label-column names; there are 2"},
		{"labels elsewhere", "f.csv", "text,gold\na,b\n", Options{Labelled: true}, "there are columns gold, text: name the column of the labels with --label-column"},
		{"labels elsewhere in JSON", "f", `{"text":"a","gold":"b"}`, Options{Labelled: true}, "other members are gold"},
		{"labels in plain text", "f", "a\n", Options{Labelled: true, Format: Text}, "plain text has no labels"},
		{"Parquet", "f", "PAR1\x15", Options{}, "the file is Parquet"},
		{"a spreadsheet", "f.xlsx", "PK\x03\x04", Options{}, "save it as CSV"},
		{"zstd", "f.zst", "\x28\xb5\x2f\xfd", Options{}, "zstd"},
	} {
		_, _, err := readAll(t, c.file, c.data, c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestIgnoredAndDescribed(t *testing.T) {
	_, r, err := readAll(t, "f.csv", "text,label,notes,lang\na,b,c,d\n", Options{Labelled: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Ignored(); !slices.Equal(got, []string{"lang", "notes"}) {
		t.Errorf("ignored %v", got)
	}
	if got, want := r.Describe(), `CSV with commas between values, names in line 1: text in column "text", label in column "label"`; got != want {
		t.Errorf("described as %s, want %s", got, want)
	}
	_, r, err = readAll(t, "f", `{"text":"a","label":1,"lang":"de"}`, Options{Labelled: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Ignored(); !slices.Equal(got, []string{"lang"}) {
		t.Errorf("ignored %v", got)
	}
}

func TestRowsHavePlaces(t *testing.T) {
	for _, c := range []struct {
		file, data string
		want       []int
	}{
		{"f.csv", "text,label\n\"a\nb\",x\nc,y\n", []int{2, 4}},
		{"f.json", "[\n{\"text\":\"a\",\"label\":1},\n\n{\"text\":\"b\",\"label\":1},{\"text\":\"c\",\"label\":1}]", []int{2, 4, 4}},
		{"f.jsonl", "{\"text\":\"a\",\"label\":1}\n\n{\"text\":\"b\",\"label\":1}", []int{1, 3}},
	} {
		r, err := NewReader(c.file, strings.NewReader(c.data), Options{Labelled: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		if err := r.Batches(2, func(rows []Row) error {
			for _, row := range rows {
				got = append(got, row.line)
				if row.Number != len(got) {
					t.Errorf("row %d has the number %d", len(got), row.Number)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: lines %v, want %v", c.file, got, c.want)
		}
	}
}

func TestIDAndWeight(t *testing.T) {
	for _, c := range []struct{ file, data, id string }{
		{"f.csv", "text,id,weight\na,x7,2.5\n", `"x7"`},
		{"f.jsonl", `{"text":"a","id":[7],"weight":2.5}`, "[7]"},
	} {
		r, err := NewReader(c.file, strings.NewReader(c.data), Options{Weighted: true})
		if err != nil {
			t.Fatal(err)
		}
		row, err := r.Read()
		if err != nil || row.ID != c.id || row.Weight != 2.5 {
			t.Errorf("%s: id %s, weight %v, error %v", c.file, row.ID, row.Weight, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"text,label\n\"a\",b\n", `[{"text":"a","label":[1,0]}]`, "{\"text\":\"a\"}\nx", "a\n\nb", "\ufefftext\tlabel\na\tb", "\x1f\x8b", "text;label;id\na;1|2;3",
	} {
		f.Add(seed, uint8(0), true)
	}
	f.Fuzz(func(t *testing.T, data string, format uint8, labelled bool) {
		o := Options{Format: formats[int(format)%len(formats)], Labelled: labelled}
		r, err := NewReader("f", strings.NewReader(data), o)
		if err != nil {
			return
		}
		labels := []string{"a", "b", "1"}
		for n := 1; ; n++ {
			row, err := r.Read()
			if err != nil {
				break
			}
			if row.Number != n || row.line < 1 || labelled && row.Label.IsAbsent() {
				t.Fatalf("row %+v", row)
			}
			if i, err := row.Label.Index(labels); err == nil && (i < 0 || i >= len(labels)) {
				t.Fatalf("label %s is number %d", row.Label, i)
			}
			if is, err := row.Label.Indices(labels); err == nil && (len(is) > len(labels) || !slices.IsSorted(is)) {
				t.Fatalf("label %s is %v", row.Label, is)
			}
			_, _ = row.Label.Number()
		}
		_ = r.Close()
	})
}

// A pipe that has sent a line and stays open, as a terminal does, is read at once if its
// format is given.
func TestReadsWhatHasCome(t *testing.T) {
	for _, format := range []Format{Text, JSONLines} {
		pipe, w := io.Pipe()
		go func() { _, _ = io.WriteString(w, "{\"text\":\"a text\"}\n") }()
		done := make(chan error, 1)
		go func() {
			r, err := NewReader("pipe", pipe, Options{Format: format})
			if err == nil {
				_, err = r.Read()
			}
			done <- err
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", format, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: waits for more", format)
		}
		_ = w.Close()
	}
}
