package encoder

import (
	"kenserve/gemm"
	"kenserve/models"
	"kenserve/nn"
)

// Names of the embeddings' tensors. All relatives of BERT use them.
const (
	words         = "embeddings.word_embeddings.weight"
	positions     = "embeddings.position_embeddings.weight"
	types         = "embeddings.token_type_embeddings.weight"
	tasks         = "embeddings.task_type_embeddings.weight"
	embeddingNorm = "embeddings.LayerNorm"
	projection    = "embeddings_project"
)

// Embeddings describes the input of the first layer: the sum of rows of up to
// four tables, a layer norm, and, if the tables are narrower than the encoder, a
// dense layer.
type Embeddings struct {
	Vocabulary int // number of token ids
	Positions  int // entries of the position table
	tokenTypes int // number of token types; 0: no such table
	Tasks      int // number of task types, of which all tokens have the first; 0: no such table
	Width      int // columns of the tables
	// If PadPositions is true, a token with id Pad has position Pad, and the
	// positions of the other tokens count from Pad+1.
	Pad          int
	PadPositions bool
}

// maxTokens returns the maximum number of tokens for which there are positions.
func (e Embeddings) maxTokens() int {
	if e.PadPositions {
		return e.Positions - e.Pad - 1
	}
	return e.Positions
}

// limits returns the limits that the tables impose on a batch.
func (e Embeddings) limits() models.Limits {
	return models.Limits{Vocabulary: e.Vocabulary, Types: e.tokenTypes, Tokens: e.maxTokens()}
}

// parameters lists the weights for an encoder with the given number of columns.
func (e Embeddings) parameters(hidden int) []models.Parameter {
	list := []models.Parameter{
		{Name: words, Shape: []int{e.Vocabulary, e.Width}, Role: models.Embedding},
		{Name: positions, Shape: []int{e.Positions, e.Width}, Role: models.Embedding},
	}
	if e.tokenTypes > 0 {
		list = append(list, models.Parameter{Name: types, Shape: []int{e.tokenTypes, e.Width}, Role: models.Embedding})
	}
	if e.Tasks > 0 {
		list = append(list, models.Parameter{Name: tasks, Shape: []int{e.Tasks, e.Width}, Role: models.Embedding})
	}
	list = append(list, models.NormParameters(embeddingNorm, e.Width)...)
	if e.Width != hidden {
		list = append(list, models.DenseParameters(projection, hidden, e.Width)...)
	}
	return list
}

// embeddings are Embeddings bound to weights. Tables that do not exist are zero.
type embeddings struct {
	Embeddings
	words, positions, types, tasks models.Lookup
	norm                           models.Norm
	projection                     models.Dense
	hidden                         int
}

// bind looks up the weights. The binder keeps errors.
func (e Embeddings) bind(b *models.Binder, hidden int, eps float32) embeddings {
	n := embeddings{Embeddings: e, words: b.Table(words), positions: b.Table(positions), hidden: hidden}
	if e.tokenTypes > 0 {
		n.types = b.Table(types)
	}
	if e.Tasks > 0 {
		n.tasks = b.Table(tasks)
	}
	n.norm = b.Norm(embeddingNorm, e.Width, eps)
	if e.Width != hidden {
		n.projection = b.Dense(projection, hidden, e.Width)
	}
	return n
}

// embed returns the embeddings [tokens, hidden] of a batch within the limits. It
// adds the terms in the order of transformers: word, type, position, task.
func (n *embeddings) embed(w *models.Workspace, b *models.Batch) gemm.View {
	x := w.View(len(b.IDs), n.Width)
	term := w.Floats(n.Width)[:n.Width]
	start := 0
	for sequence, end := range b.Ends {
		task := w.TaskOf(sequence)
		words, positions := w.Table(n.words, task), w.Table(n.positions, task)
		var types, tasks models.Table
		if n.tokenTypes > 0 {
			types = w.Table(n.types, task)
		}
		if n.Tasks > 0 {
			tasks = w.Table(n.tasks, task)
		}
		position := 0
		if n.PadPositions {
			position = n.Pad + 1
		}
		for i := start; i < end; i++ {
			row, id := x.Row(i), int(b.IDs[i])
			words.Row(id, row)
			if types != nil {
				types.Row(b.TypeID(i), term)
				models.Add(row, term)
			}
			if n.PadPositions && id == n.Pad {
				positions.Row(n.Pad, term)
			} else {
				positions.Row(position, term)
				position++
			}
			models.Add(row, term)
			if tasks != nil {
				tasks.Row(0, term)
				models.Add(row, term)
			}
		}
		start = end
	}
	w.Norm(x, n.norm)
	if n.Width == n.hidden {
		return x
	}
	wide := w.View(x.Rows, n.hidden)
	w.Dense(wide, x, n.projection, nn.Identity, gemm.View{})
	return wide
}
