package bulk

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"kenserve/dataset"
)

// Journal is a file beside the output of [Classifier.Lines], by which a later run can
// continue the output. Its first line is a [run]. After each batch, a [checkpoint] is
// appended. A killed run leaves both files as they are, perhaps with a part of a line at
// their ends. The output is never ahead of its journal by more than a batch, so that a
// run that continues computes at most that batch again.
type Journal struct {
	file *os.File
	checkpoint
	input, output hash.Hash // of the rows and of the bytes that the checkpoint counts
}

// run is everything but the input that decides what Lines writes.
type run struct {
	Version  int    `json:"kenserve_classify"` // journalVersion
	Delta    string `json:"delta"`             // SHA-256
	Base     string `json:"base"`              // see runtime.Base.Digest
	Compute  string `json:"compute"`
	TopK     int    `json:"top_k"`
	Raw      bool   `json:"raw_scores"`
	WithText bool   `json:"with_text"`
}

const journalVersion = 1

// checkpoint is how far a run came.
type checkpoint struct {
	Rows   int    `json:"rows"`   // that were read
	Bytes  int64  `json:"bytes"`  // that were written
	Input  string `json:"input"`  // SHA-256 of these rows
	Output string `json:"output"` // SHA-256 of these bytes
}

// Rows is the number of rows whose answers have been written.
func (j *Journal) Rows() int { return j.checkpoint.Rows }

// describeRun describes what Lines would write with the options o.
func (c *Classifier) describeRun(ctx context.Context, o LineOptions) (run, error) {
	if err := c.Engine.Load(ctx, c.Task); err != nil {
		return run{}, Reason(err)
	}
	return run{
		Version: journalVersion, Delta: c.Engine.Digests()[c.Task], Base: c.Engine.Base().Digest(), Compute: c.compute.String(),
		TopK: o.TopK, Raw: o.Raw, WithText: o.WithText,
	}, nil
}

// StartJournal begins the journal of a new output in file. It replaces the file's content
// unless that is not a journal's, which is an error.
func (c *Classifier) StartJournal(ctx context.Context, file *os.File, o LineOptions) (*Journal, error) {
	now, err := c.describeRun(ctx, o)
	if err != nil {
		return nil, err
	}
	if _, _, err := readJournal(file); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return newJournal(file, now)
}

func newJournal(file *os.File, now run) (*Journal, error) {
	j := &Journal{file: file, input: sha256.New(), output: sha256.New()}
	if err := cut(file, 0); err != nil {
		return nil, err
	}
	return j, j.append(now)
}

// ContinueJournal continues what an earlier run has written to output, with its journal
// in file. It moves in past the rows that have their answers, and output to the end of
// these. Bytes that the journal does not count are removed from the output. It is an error if
// the earlier run was about other rows or differed in anything else that decides the
// answers, or if its output has changed since. An output without a byte is begun.
func (c *Classifier) ContinueJournal(ctx context.Context, file, output *os.File, in *dataset.Reader, o LineOptions) (*Journal, error) {
	now, err := c.describeRun(ctx, o)
	if err != nil {
		return nil, err
	}
	info, err := output.Stat()
	if err != nil {
		return nil, err
	}
	earlier, checkpoints, err := readJournal(file)
	switch {
	case errors.Is(err, io.EOF) && info.Size() == 0:
		return newJournal(file, now)
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s, which a run leaves if it is interrupted, does not exist: the output is complete, or another program wrote it", file.Name())
	case err != nil:
		return nil, err
	}
	if err := earlier.compare(now); err != nil {
		return nil, err
	}
	j := &Journal{file: file, input: sha256.New(), output: sha256.New()}
	end := int64(0) // of the journal's lines that count
	for _, point := range checkpoints {
		if point.Bytes <= info.Size() {
			j.checkpoint, end = point.checkpoint, point.end
		}
	}
	if _, err := io.CopyN(j.output, output, j.Bytes); err != nil {
		return nil, err
	}
	if j.Bytes > 0 && sum(j.output) != j.Output {
		return nil, errors.New("the output is not as the run left it: somebody has changed it")
	}
	if err := j.skip(ctx, in); err != nil {
		return nil, err
	}
	if end == 0 {
		return j, errors.Join(cut(output, 0), cut(file, 0), j.append(now))
	}
	return j, errors.Join(cut(output, j.Bytes), cut(file, end))
}

// skip reads the rows that the checkpoint counts, and compares them.
func (j *Journal) skip(ctx context.Context, in *dataset.Reader) error {
	for n := range j.Rows() {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := in.Read()
		if err == io.EOF {
			return fmt.Errorf("the output has answers to %d texts, and the input only %d: it is another input", j.Rows(), n)
		}
		if err != nil {
			return err
		}
		addRow(j.input, row)
	}
	if j.Rows() > 0 && sum(j.input) != j.Input {
		return fmt.Errorf("the input's first %d texts or ids are not those of the run that wrote the output: it is another input", j.Rows())
	}
	return nil
}

// add appends a checkpoint, after the answers to rows were written.
func (j *Journal) add(rows []dataset.Row, written []byte) error {
	for _, row := range rows {
		addRow(j.input, row)
	}
	j.output.Write(written)
	j.checkpoint = checkpoint{j.Rows() + len(rows), j.Bytes + int64(len(written)), sum(j.input), sum(j.output)}
	return j.append(j.checkpoint)
}

func (j *Journal) append(line any) error {
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(data, '\n'))
	return err
}

// Close closes the journal's file, which stays for a later run.
func (j *Journal) Close() error { return j.file.Close() }

// Remove closes and removes the journal's file. Without it, the output is complete.
func (j *Journal) Remove() error {
	return errors.Join(j.file.Close(), os.Remove(j.file.Name()))
}

// storedCheckpoint is a checkpoint with the place where its line ends.
type storedCheckpoint struct {
	checkpoint
	end int64
}

// readJournal reads a journal from the beginning. A last line without an end does not
// count. The error is io.EOF if the file has no complete line.
func readJournal(file *os.File) (first run, checkpoints []storedCheckpoint, err error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return run{}, nil, err
	}
	b := bufio.NewReader(file)
	end := int64(0)
	for n := 1; ; n++ {
		line, err := b.ReadBytes('\n')
		if err == io.EOF && n > 1 {
			return first, checkpoints, nil
		}
		if err == io.EOF && len(line) > 0 && !bytes.HasPrefix(line, []byte(`{"kenserve_classify"`)) {
			return run{}, nil, foreign(file)
		}
		if err != nil {
			return run{}, nil, err
		}
		end += int64(len(line))
		if n == 1 {
			if err := json.Unmarshal(line, &first); err != nil || first.Version == 0 {
				return run{}, nil, foreign(file)
			}
			continue
		}
		point := storedCheckpoint{end: end}
		if err := json.Unmarshal(line, &point.checkpoint); err != nil || point.Bytes < 0 || point.checkpoint.Rows < 0 {
			return run{}, nil, fmt.Errorf("%s: line %d is damaged", file.Name(), n)
		}
		checkpoints = append(checkpoints, point)
	}
}

func foreign(file *os.File) error {
	return fmt.Errorf("%s, where a run would note how far it came, is the file of another program: choose another output, or move that file away", file.Name())
}

// compare returns an error that names what differs between the run that wrote an output
// and the one that would continue it.
func (r run) compare(now run) error {
	for _, c := range []struct {
		name         string
		earlier, now any
	}{
		{"version of the journal", r.Version, now.Version},
		{"delta", r.Delta, now.Delta},
		{"base or its tokenizer", r.Base, now.Base},
		{"compute type", r.Compute, now.Compute},
		{"number of labels", r.TopK, now.TopK},
		{"kind of scores, raw or not", r.Raw, now.Raw},
		{"choice of texts in the output", r.WithText, now.WithText},
	} {
		if c.earlier != c.now {
			return fmt.Errorf("the run that wrote it had another %s: %v, now %v", c.name, c.earlier, c.now)
		}
	}
	return nil
}

// addRow adds to a digest all of a row that decides its answer. Each string comes after
// its length, so that other rows give other bytes.
func addRow(h hash.Hash, row dataset.Row) {
	parts := []string{row.ID, row.Text}
	if row.Pair != nil {
		parts = append(parts, *row.Pair)
	}
	data := binary.AppendUvarint(nil, uint64(len(parts)))
	for _, part := range parts {
		data = append(binary.AppendUvarint(data, uint64(len(part))), part...)
	}
	h.Write(data)
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// cut removes what a file has after its first bytes, and moves to its end.
func cut(file *os.File, bytes int64) error {
	if err := file.Truncate(bytes); err != nil {
		return err
	}
	_, err := file.Seek(bytes, io.SeekStart)
	return err
}
