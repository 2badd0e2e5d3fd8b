package deltatest

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update is the flag -update. The tests of every package in delta define it, so
// that one command can rewrite all golden files:
//
//	go test ./delta/... -run Dump -update
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// Dump writes a file as text: for each range of bytes a line with its offset, its
// bytes and their meaning.
type Dump struct {
	data []byte
	at   int
	out  strings.Builder
}

// NewDump starts a dump of data at its first byte.
func NewDump(data []byte) *Dump { return &Dump{data: data} }

// At returns the offset of the next byte.
func (d *Dump) At() int { return d.at }

// Rest returns the bytes from the next one on.
func (d *Dump) Rest() []byte { return d.data[d.at:] }

// Note writes a line without bytes.
func (d *Dump) Note(format string, args ...any) {
	fmt.Fprintf(&d.out, "\n# "+format+"\n", args...)
}

// Bytes writes the next n bytes and their meaning, and returns the bytes.
func (d *Dump) Bytes(n int, format string, args ...any) []byte {
	const perLine = 16
	block := d.data[d.at : d.at+n]
	meaning := fmt.Sprintf(format, args...)
	for i := 0; i < n || i == 0; i += perLine {
		line := fmt.Sprintf("%05d  %-*s", d.at+i, 3*perLine-1, fmt.Sprintf("% x", block[i:min(i+perLine, n)]))
		if i == 0 {
			line += "  " + meaning
		}
		d.out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	d.at += n
	return block
}

// Number writes an unsigned LEB128 number, and returns it. The verb %d in format
// stands for the number.
func (d *Dump) Number(format string) int {
	v, n := binary.Uvarint(d.data[d.at:])
	d.Bytes(n, format, v)
	return int(v)
}

// json writes the next n bytes, a JSON object, with a line for each of its keys.
func (d *Dump) json(n int) {
	text := string(d.data[d.at : d.at+n])
	for len(text) > 0 {
		end := len(text)
		for _, key := range []string{`,"`, `{"`} { // the next line begins after its first byte
			if i := strings.Index(text, key); i >= 0 {
				end = min(end, i+1)
			}
		}
		fmt.Fprintf(&d.out, "%05d  %s\n", d.at, strings.TrimRight(text[:end], " "))
		d.at += end
		text = text[end:]
	}
}

// Compare compares the dump with the golden file at path, or rewrites the file.
func (d *Dump) Compare(t *testing.T, path string) {
	t.Helper()
	if d.at != len(d.data) {
		t.Errorf("the dump ends at byte %d of %d", d.at, len(d.data))
	}
	got := strings.TrimLeft(d.out.String(), "\n")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (rewrite it with -update): %s", path, diff)
	}
}

// Header dumps the header of a safetensors file.
func (d *Dump) Header() {
	n := binary.LittleEndian.Uint64(d.data)
	d.Note("header of the safetensors file")
	d.Bytes(8, "size of the header: %d", n)
	d.json(int(n))
}
