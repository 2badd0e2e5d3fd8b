// Package dataset reads texts and their labels from files.
//
// # Formats
//
//	jsonl  one JSON object a line; blank lines are skipped
//	json   a JSON array of objects, on any number of lines
//	csv    values between commas, semicolons or tabs, with RFC 4180's quotes
//	tsv    values between tabs
//	text   one text a line, without labels
//
// Each may be compressed with gzip, begin with a byte order mark of UTF-8 and
// have line ends of Unix, Windows or the old Macintosh. The format is found by the file's name, or
// else by its first bytes. Everything must be UTF-8. An object without a text, and a
// first line of names that are usual in data sets, are never plain text: the error
// says how to name the column of the texts.
//
// # Columns
//
// A row has a text, and may have a second text of a pair, a label, an id and a
// weight. They are found by the names of JSON members, or of the columns in a
// CSV's first row: text, text_pair, label, id and weight, unless [Columns] gives
// other names. Labels and weights are read only if [Options] asks for them. An empty
// second text in a CSV means that there is no pair. For a CSV without a first row of names, columns are given by
// number, from 1. [Reader.Ignored] lists the names that nobody asked for.
//
// # Labels
//
// A [Label] is kept as the file has it, and compared with a classifier's labels
// only when these are known: see [Label.Index], [Label.Indices] and
// [Label.Number].
//
// # Errors
//
// An error about a row names the file, the row and the reason, and says what to
// do. Rows count from 1; the first row of names of a CSV does not count. A row of
// more than 16 MiB is refused, so that no file fills the memory.
package dataset
