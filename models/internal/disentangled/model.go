// Package disentangled is the network that the generations of DeBERTa share (He et
// al., 2021), as Hugging Face computes it: an encoder like BERT's, whose attention
// has separate score terms for content and relative positions, and a classifier.
//
// The model has one table of embeddings of distances. Each layer projects it, by
// projections of its own or by those of the content. A forward pass projects only
// the distances that occur in its batch. The projected rows are in the order of
// decreasing distance query - key, so that the terms of a query's scores are in
// the order of its keys.
package disentangled

import (
	"fmt"
	"slices"

	"kenserve/models"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Model describes a DeBERTa classifier. Each generation fills in its values.
type Model struct {
	// The settings that all generations have; see Settings.Model.
	vocabulary int
	positions  int // entries of the absolute position table; 0: no such table
	types      int // number of token types; 0: no such table
	width      int // columns of the tables
	tokens     int // maximum tokens of a sequence
	encoder    encoder.Config
	layout     Layout
	head       encoder.Head

	// Terms of the scores beside content-to-content.
	contentToPosition bool
	positionToContent bool

	Distances     int  // entries of the distance table; distance d has row Distances/2 + bucket(d)
	Buckets       int  // logarithmic buckets on either side of zero; 0: each distance has its own row
	MaxDistance   int  // distance at which the buckets end
	NormDistances bool // the distance table goes through a layer norm

	ConvolutionWidth int           // tokens in the convolution parallel to the first layer; 0: no convolution
	KernelAct        nn.Activation // of the convolution
}

// Layout describes the projection matrices of a layer.
type Layout int

const (
	Fused    Layout = iota // one matrix with each head's queries, keys and values in turn; positions have their own projections
	Separate               // one matrix each for queries, keys and values of content, and for queries and keys of positions
	Shared                 // one matrix each for queries, keys and values; positions use those of content
)

// Names of the tensors outside the layers, without the prefix.
const (
	words           = "embeddings.word_embeddings.weight"
	positions       = "embeddings.position_embeddings.weight"
	types           = "embeddings.token_type_embeddings.weight"
	projection      = "embeddings.embed_proj.weight"
	embeddingNorm   = "embeddings.LayerNorm"
	distances       = "encoder.rel_embeddings.weight"
	distanceNorm    = "encoder.LayerNorm"
	convolution     = "encoder.conv.conv"
	convolutionNorm = "encoder.conv.LayerNorm"
)

// Names of the tensors of a layer's attention. The other names are those of BERT.
const (
	fused           = ".attention.self.in_proj.weight"
	fusedQueryBias  = ".attention.self.q_bias"
	fusedValueBias  = ".attention.self.v_bias"
	fusedPosKey     = ".attention.self.pos_proj.weight"
	fusedPosQuery   = ".attention.self.pos_q_proj"
	query           = ".attention.self.query_proj"
	key             = ".attention.self.key_proj"
	value           = ".attention.self.value_proj"
	positionalKey   = ".attention.self.pos_key_proj"
	positionalQuery = ".attention.self.pos_query_proj"
)

func layerName(i int) string { return fmt.Sprint(encoder.BERT.Layer, i) }

// architecture is a Model with its index of distances.
type architecture struct {
	Model
	// index[d+tokens-1] is the index of the distance d = key - query in the
	// projected rows. Index i is row top-i of the distance table, because the
	// projected rows are in reverse order.
	index []int32
	top   int
}

// Architecture checks the sizes and returns the architecture.
func (m Model) Architecture() (models.Architecture, error) {
	for _, check := range []error{
		m.encoder.Check(),
		models.CheckSize("vocab_size", m.vocabulary, encoder.MaxEntries),
		models.CheckSize("max_position_embeddings", m.tokens, maxTokens),
		models.CheckSize("embedding_size", m.width, encoder.MaxWidth),
	} {
		if check != nil {
			return nil, check
		}
	}
	a := &architecture{Model: m, index: make([]int32, 2*m.tokens-1)}
	a.top = a.row(m.tokens - 1)
	for i := range a.index {
		a.index[i] = int32(a.top - a.row(m.tokens-1-i))
	}
	return a, nil
}

// maxTokens bounds the size of index.
const maxTokens = 1 << 20

// row returns the row of the distance table for a distance query - key.
func (m *Model) row(distance int) int {
	if m.Buckets > 0 {
		distance = bucket(distance, m.Buckets, m.MaxDistance)
	}
	return min(max(distance+m.Distances/2, 0), m.Distances-1)
}

// Parameters lists the weights of the encoder.
func (a *architecture) Parameters() []models.Parameter {
	c := a.encoder
	h := c.Hidden
	list := []models.Parameter{{Name: words, Shape: []int{a.vocabulary, a.width}, Role: models.Embedding}}
	if a.positions > 0 {
		list = append(list, models.Parameter{Name: positions, Shape: []int{a.positions, a.width}, Role: models.Embedding})
	}
	if a.types > 0 {
		list = append(list, models.Parameter{Name: types, Shape: []int{a.types, a.width}, Role: models.Embedding})
	}
	if a.width != h {
		list = append(list, models.Parameter{Name: projection, Shape: []int{h, a.width}, Role: models.Matrix})
	}
	list = append(list, models.NormParameters(embeddingNorm, h)...)
	list = append(list, models.Parameter{Name: distances, Shape: []int{a.Distances, h}, Role: models.Embedding})
	if a.NormDistances {
		list = append(list, models.NormParameters(distanceNorm, h)...)
	}
	if a.ConvolutionWidth > 0 {
		list = append(list,
			models.Parameter{Name: convolution + ".weight", Shape: []int{h, h, a.ConvolutionWidth}, Role: models.Matrix},
			models.Parameter{Name: convolution + ".bias", Shape: []int{h}, Role: models.Vector})
		list = append(list, models.NormParameters(convolutionNorm, h)...)
	}
	for i := range c.Layers {
		l := layerName(i)
		list = append(list, a.attentionParameters(l)...)
		n := encoder.BERT
		list = append(list, models.DenseParameters(l+n.Output, h, h)...)
		list = append(list, models.NormParameters(l+n.OutputNorm, h)...)
		list = append(list, models.DenseParameters(l+n.Intermediate, c.Intermediate, h)...)
		list = append(list, models.DenseParameters(l+n.Down, h, c.Intermediate)...)
		list = append(list, models.NormParameters(l+n.DownNorm, h)...)
	}
	return list
}

// attentionParameters lists the weights of the attention in the layer with the
// given name.
func (a *architecture) attentionParameters(l string) []models.Parameter {
	h := a.encoder.Hidden
	if a.layout == Fused {
		list := []models.Parameter{
			{Name: l + fused, Shape: []int{3 * h, h}, Role: models.Matrix},
			{Name: l + fusedQueryBias, Shape: []int{h}, Role: models.Vector},
			{Name: l + fusedValueBias, Shape: []int{h}, Role: models.Vector},
		}
		if a.contentToPosition {
			list = append(list, models.Parameter{Name: l + fusedPosKey, Shape: []int{h, h}, Role: models.Matrix})
		}
		if a.positionToContent {
			list = append(list, models.DenseParameters(l+fusedPosQuery, h, h)...)
		}
		return list
	}
	list := slices.Concat(models.DenseParameters(l+query, h, h), models.DenseParameters(l+key, h, h), models.DenseParameters(l+value, h, h))
	if a.layout == Separate {
		if a.contentToPosition {
			list = append(list, models.DenseParameters(l+positionalKey, h, h)...)
		}
		if a.positionToContent {
			list = append(list, models.DenseParameters(l+positionalQuery, h, h)...)
		}
	}
	return list
}

// Head lists the weights of the classifier.
func (a *architecture) Head(labels int) []models.Parameter {
	return a.Model.head.Parameters(labels, a.encoder.Hidden)
}

// Prefix returns "deberta.".
func (a *architecture) Prefix() string { return "deberta." }

// MaxTokens returns max_position_embeddings, even if no table has that limit.
func (a *architecture) MaxTokens() int { return a.tokens }

// Limits implements models.Architecture.
func (a *architecture) Limits() models.Limits {
	return models.Limits{Vocabulary: a.vocabulary, Types: a.types, Tokens: a.tokens}
}
