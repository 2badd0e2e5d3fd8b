package dataset

import (
	"bufio"
	"path/filepath"
	"strconv"
	"strings"
)

// beginsWithBracket tells whether the first character that is no space is [.
func beginsWithBracket(b *bufio.Reader) bool {
	start, _ := b.Peek(bufferSize)
	return strings.HasPrefix(strings.TrimLeft(string(start), " \t\r\n"), "[")
}

// detect finds the format by the file's name, or else by how it begins.
func (r *Reader) detect(base string, b *bufio.Reader) Format {
	ending := filepath.Ext(base)
	switch ending {
	case ".csv":
		return CSV
	case ".tsv", ".tab":
		return TSV
	case ".jsonl", ".ndjson", ".json":
		return JSONArray // a file that begins with [ is an array
	}
	start, _ := b.Peek(bufferSize)
	trimmed := strings.TrimLeft(string(start), " \t\r\n")
	switch {
	case strings.HasPrefix(trimmed, "["):
		rest := strings.TrimLeft(trimmed[1:], " \t\r\n")
		if r.options.Labelled || strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, `"`) {
			return JSONArray
		}
	case strings.HasPrefix(trimmed, "{"):
		// An object without a text is not plain text either: its reader says what is
		// missing.
		rest := strings.TrimLeft(trimmed[1:], " \t\r\n")
		if r.options.Labelled || strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "}") {
			return JSONLines
		}
	case r.isHeader(string(start)):
		return CSV
	case r.options.Labelled:
		return JSONLines
	}
	return Text
}

// isHeader tells whether a file's first line names columns: that of the texts, or,
// if all its values are names, one that is usual in data sets.
func (r *Reader) isHeader(start string) bool {
	line, rest, more := strings.Cut(start, "\n")
	line = strings.TrimRight(line, "\r")
	if !more && len(start) >= bufferSize {
		return false // the line is longer than names are
	}
	if strings.EqualFold(strings.Trim(line, `" `), r.columns.Text) {
		return rest != "" // one column
	}
	for _, delimiter := range delimiters {
		names := strings.Split(line, string(delimiter))
		if len(names) < 2 {
			continue
		}
		usual, all := false, true
		for i := range names {
			names[i] = strings.Trim(names[i], `" `)
			usual = usual || usualNames[strings.ToLower(names[i])]
			all = all && isName(names[i])
		}
		if columnIndex(names, r.columns.Text) >= 0 || usual && all {
			return true
		}
	}
	return false
}

// isName tells whether s is like a column's name: without spaces, and no number. An
// empty one is the name of pandas' index.
func isName(s string) bool {
	if _, err := strconv.ParseFloat(s, 64); err == nil || strings.ContainsAny(s, " \t.?!") {
		return false
	}
	return len(s) <= 40
}
