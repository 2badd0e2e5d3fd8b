package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"kenserve/internal/lfs"
)

// plainUTF8 looks at the first bytes of a file: at those that have come, unless wait says
// that more may be waited for, as the search for the format does. It refuses a file that
// is not UTF-8 text, and drops a byte order mark. A file whose lines end with a carriage
// return alone, as old programs for the Macintosh write them, gets line feeds.
func plainUTF8(b *bufio.Reader, wait bool) (*bufio.Reader, error) {
	_, _ = b.Peek(4) // a byte order mark
	if wait {
		_, _ = b.Peek(bufferSize)
	}
	start, _ := b.Peek(b.Buffered())
	if err := refuseBinary(start); err != nil {
		return nil, err
	}
	if err := skipByteOrderMark(b); err != nil {
		return nil, err
	}
	start, _ = b.Peek(b.Buffered())
	if bytes.IndexByte(start, 0) >= 0 {
		return nil, errNUL
	}
	if end := bytes.IndexByte(start, '\r'); end >= 0 && end < len(start)-1 && bytes.IndexByte(start, '\n') < 0 {
		return bufio.NewReaderSize(&returnsToFeeds{in: b}, bufferSize), nil
	}
	return b, nil
}

// errNUL is about a NUL byte, which no text has as it is.
var errNUL = errors.New("there is a NUL byte, as in UTF-16 and UTF-32; save the file as UTF-8, or convert UTF-16 with iconv -f UTF-16LE -t UTF-8")

// returnsToFeeds replaces carriage returns with line feeds. One before a line feed is
// left out.
type returnsToFeeds struct {
	in        io.Reader
	wasReturn bool // the last byte that was read is a carriage return
}

func (r *returnsToFeeds) Read(p []byte) (int, error) {
	for {
		n, err := r.in.Read(p)
		kept := p[:0]
		for _, c := range p[:n] {
			if c == '\r' {
				kept = append(kept, '\n')
			} else if c != '\n' || !r.wasReturn {
				kept = append(kept, c)
			}
			r.wasReturn = c == '\r'
		}
		if len(kept) > 0 || err != nil || n == 0 {
			return len(kept), err
		}
	}
}

func isGzip(b *bufio.Reader) bool {
	magic, _ := b.Peek(2)
	return string(magic) == "\x1f\x8b"
}

// skipByteOrderMark drops UTF-8's mark, and refuses those of UTF-16.
func skipByteOrderMark(b *bufio.Reader) error {
	mark, _ := b.Peek(4)
	switch {
	case string(mark) == "\xff\xfe\x00\x00" || string(mark) == "\x00\x00\xfe\xff":
		return errors.New("the file is UTF-32, want UTF-8; save it as UTF-8, or convert it with iconv -f UTF-32 -t UTF-8")
	case strings.HasPrefix(string(mark), "\ufeff"):
		_, err := b.Discard(3)
		return err
	case len(mark) >= 2 && (string(mark[:2]) == "\xff\xfe" || string(mark[:2]) == "\xfe\xff"):
		return errors.New("the file is UTF-16, want UTF-8; save it as UTF-8, or convert it with iconv -f UTF-16 -t UTF-8")
	}
	return nil
}

// refuseBinary says what to do with common files that are not text.
func refuseBinary(start []byte) error {
	if err := lfs.Check(start); err != nil {
		return err
	}
	for _, kind := range []struct{ magic, message string }{
		{"PAR1", "the file is Parquet; write it as CSV or JSON lines, with pandas: read_parquet(FILE).to_json(OUT, orient=\"records\", lines=True)"},
		{"ARROW1", "the file is Arrow; write it as CSV or JSON lines, with datasets: Dataset.from_file(FILE).to_json(OUT)"},
		{"PK\x03\x04", "the file is a ZIP archive or a spreadsheet; extract it, or save it as CSV"},
		{"\xd0\xcf\x11\xe0", "the file is an Excel workbook; save it as CSV"},
		{"\x1f\x8b", "the file is compressed with gzip twice; decompress it once"},
		{"\x28\xb5\x2f\xfd", "the file is compressed with zstd; decompress it, or compress it with gzip"},
		{"BZh", "the file is compressed with bzip2; decompress it, or compress it with gzip"},
		{"\xfd7zXZ", "the file is compressed with xz; decompress it, or compress it with gzip"},
	} {
		if bytes.HasPrefix(start, []byte(kind.magic)) {
			return errors.New(kind.message)
		}
	}
	return nil
}
