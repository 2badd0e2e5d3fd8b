// Package bert is BERT for sequence classification (Devlin et al., 2018), as
// Hugging Face's BertForSequenceClassification computes it: the sum of word,
// position and token type embeddings, a layer norm, the encoder, a dense layer
// with tanh over the first token (the pooler), and a dense classifier.
package bert

import (
	"fmt"

	"kenserve/gemm"
	"kenserve/models"
	"kenserve/models/encoder"
)

// ModelType is the model_type of this family's configurations.
const ModelType = "bert"

// The tensors outside the encoder.
const (
	words         = "embeddings.word_embeddings.weight"
	positions     = "embeddings.position_embeddings.weight"
	types         = "embeddings.token_type_embeddings.weight"
	embeddingNorm = "embeddings.LayerNorm"
	pooler        = "pooler.dense"
	classifier    = "classifier"
)

// architecture is a BERT of given sizes.
type architecture struct {
	encoder encoder.Config
	limits  models.Limits
}

// Parameters lists the encoder's weights. A base may lack the pooler.
func (a *architecture) Parameters() []models.Parameter {
	h := a.encoder.Hidden
	list := []models.Parameter{
		{Name: words, Shape: []int{a.limits.Vocabulary, h}, Role: models.Embedding},
		{Name: positions, Shape: []int{a.limits.Tokens, h}, Role: models.Embedding},
		{Name: types, Shape: []int{a.limits.Types, h}, Role: models.Embedding},
	}
	list = append(list, models.NormParameters(embeddingNorm, h)...)
	list = append(list, a.encoder.Parameters(encoder.BERT)...)
	for _, p := range models.DenseParameters(pooler, h, h) {
		p.Optional = true
		list = append(list, p)
	}
	return list
}

// Head lists the classifier's weights.
func (a *architecture) Head(labels int) []models.Parameter {
	list := models.DenseParameters(classifier, labels, a.encoder.Hidden)
	for i := range list {
		list[i].Head = true
	}
	return list
}

// Prefix is "bert.".
func (a *architecture) Prefix() string { return "bert." }

// MaxTokens is the number of position embeddings.
func (a *architecture) MaxTokens() int { return a.limits.Tokens }

// Bind resolves the weights.
func (a *architecture) Bind(p models.Params) (models.Network, error) {
	b := models.NewBinder(p)
	h := a.encoder.Hidden
	n := &network{
		limits:     a.limits,
		words:      b.Table(words),
		positions:  b.Table(positions),
		types:      b.Table(types),
		norm:       b.Norm(embeddingNorm, h, a.encoder.Eps),
		encoder:    a.encoder.Bind(b, encoder.BERT),
		pooler:     b.Dense(pooler, h, h),
		classifier: b.Dense(classifier, 0, h),
		hidden:     h,
	}
	if err := b.Err(); err != nil {
		return nil, err
	}
	return n, nil
}

// network is a BERT bound to weights.
type network struct {
	limits                  models.Limits
	words, positions, types models.Table
	norm                    models.Norm
	encoder                 *encoder.Encoder
	pooler, classifier      models.Dense
	hidden                  int
}

func (n *network) Labels() int { return n.classifier.Weight.N() }

func (n *network) Forward(w *models.Workspace, b *models.Batch, logits []float32) error {
	if err := b.Check(n.limits); err != nil {
		return err
	}
	sequences, labels := len(b.Ends), n.Labels()
	if len(logits) != sequences*labels {
		return fmt.Errorf("bert: room for %d logits, want %d sequences of %d labels", len(logits), sequences, labels)
	}
	if sequences == 0 {
		return nil
	}
	w.Reset()
	x := n.embed(w, b)
	w.Norm(x, n.norm)
	first := n.encoder.First(w, x, b.Ends)
	pooled := w.View(sequences, n.hidden)
	w.Dense(pooled, first, n.pooler, gemm.Tanh, gemm.View{})
	w.Dense(gemm.View{Data: logits, Rows: sequences, Cols: labels, Stride: labels}, pooled, n.classifier, gemm.Identity, gemm.View{})
	return nil
}

// embed returns the sum of the tokens' embeddings [tokens, hidden]. The terms
// are added in Hugging Face's order: word, type, position.
func (n *network) embed(w *models.Workspace, b *models.Batch) gemm.View {
	x := w.View(len(b.IDs), n.hidden)
	term := w.View(1, n.hidden).Row(0)
	start := 0
	for _, end := range b.Ends {
		for i := start; i < end; i++ {
			row := x.Row(i)
			n.words.Row(int(b.IDs[i]), row)
			tokenType := 0
			if b.TypeIDs != nil {
				tokenType = int(b.TypeIDs[i])
			}
			n.types.Row(tokenType, term)
			add(row, term)
			n.positions.Row(i-start, term)
			add(row, term)
		}
		start = end
	}
	return x
}

func add(dst, x []float32) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] += x[i]
	}
}
