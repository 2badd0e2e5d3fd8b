// Package bloom is BLOOM for sequence classification (BigScience, 2022), as
// Hugging Face's BloomForSequenceClassification computes it: a decoder, in which
// a token sees only itself and earlier tokens. Instead of position embeddings,
// scores decrease with the distance of the key (ALiBi). One matrix projects each
// head's queries, keys and values. Layer norms come before attention and
// perceptron. The classifier has no bias and uses the last token that is not
// padding.
package bloom

import (
	"fmt"
	"math"
	"slices"

	"kenserve/internal/settings"
	"kenserve/models"
	"kenserve/models/internal/encoder"
)

// Family is BLOOM.
var Family = models.Family{
	ModelType: "bloom", Class: "BloomForSequenceClassification", Build: build,
	Table: slices.Concat(
		settings.Harmless(models.TrainingOnly, "hidden_dropout", "attention_dropout", "masked_softmax_fusion", "bias_dropout_fusion"),
		[]settings.Setting{settings.Refused("is_causal", "decoders in which a token sees those after it are not implemented", "true")},
		settings.Harmless(models.ReadByNothing, "n_inner", "offset_alibi", "skip_bias_add", "skip_bias_add_qkv", "attention_softmax_in_fp32"),
	),
	Aliases: map[string]string{"num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "n_embed": "hidden_size"},
	Refuses: []string{
		`"hidden_size":60`,
		`"n_layer":0`,
		`"layer_norm_epsilon":0`,
		`"seq_length":0`,
		`"pretraining_tp":4,"slow_but_exact":true`,
	},
}

// sizes is what a configuration says, as far as it changes what a classifier
// computes.
type sizes struct {
	VocabSize        int     `json:"vocab_size"`
	HiddenSize       int     `json:"hidden_size"`
	NLayer           int     `json:"n_layer"`
	NHead            int     `json:"n_head"`
	LayerNormEpsilon float64 `json:"layer_norm_epsilon"`
	ResidualPostNorm bool    `json:"apply_residual_connection_post_layernorm"`
	PadTokenID       *int    `json:"pad_token_id"`
	SeqLength        int     `json:"seq_length"`
	PretrainingTP    int     `json:"pretraining_tp"`
	SlowButExact     bool    `json:"slow_but_exact"`
}

// tokens is the default of seq_length: the length with which the published models
// were trained. ALiBi itself has no limit.
const tokens = 2048

func build(c *models.Config) (models.Architecture, error) {
	s := sizes{VocabSize: 250880, HiddenSize: 64, NLayer: 2, NHead: 8, LayerNormEpsilon: 1e-5, SeqLength: tokens}
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	a := &architecture{
		layers: s.NLayer, hidden: s.HiddenSize, heads: s.NHead,
		limits: models.Limits{Vocabulary: s.VocabSize, Tokens: s.SeqLength},
		eps:    float32(s.LayerNormEpsilon), normResidual: s.ResidualPostNorm, pad: -1,
	}
	if s.PadTokenID != nil {
		a.pad = *s.PadTokenID
	}
	for _, check := range []error{
		models.CheckSize("n_layer", a.layers, encoder.MaxLayers),
		models.CheckSize("hidden_size", a.hidden, encoder.MaxWidth),
		models.CheckSize("n_head", a.heads, encoder.MaxWidth),
		models.CheckSize("vocab_size", s.VocabSize, encoder.MaxEntries),
		models.CheckSize("seq_length", s.SeqLength, encoder.MaxEntries),
	} {
		if check != nil {
			return nil, check
		}
	}
	if s.SlowButExact && s.PretrainingTP > 1 {
		return nil, fmt.Errorf("slow_but_exact is true and pretraining_tp is %d: transformers then leaves biases out; set slow_but_exact to false", s.PretrainingTP)
	}
	if a.hidden%a.heads != 0 {
		return nil, fmt.Errorf("hidden_size %d is not a multiple of n_head %d", a.hidden, a.heads)
	}
	if !(a.eps > 0 && a.eps < 1) {
		return nil, fmt.Errorf("layer_norm_epsilon is %v, want a number between 0 and 1", a.eps)
	}
	a.slopes = slopes(a.heads)
	return a, nil
}

// slopes returns ALiBi's slope of each head. If the number of heads is a power of
// two, they are 2^(-8/heads) and its powers. Otherwise they are the slopes for
// the next lower power of two, and then every second slope for twice as many
// heads.
func slopes(heads int) []float32 {
	lower := 1
	for 2*lower <= heads {
		lower *= 2
	}
	power := func(of, i int) float32 {
		base := float32(math.Pow(2, -8/float64(of)))
		return float32(math.Pow(float64(base), float64(i)))
	}
	var list []float32
	for i := 1; i <= lower; i++ {
		list = append(list, power(lower, i))
	}
	for i := 1; len(list) < heads; i += 2 {
		list = append(list, power(2*lower, i))
	}
	return list
}

// architecture is a BLOOM with given sizes.
type architecture struct {
	layers, hidden, heads int
	limits                models.Limits
	eps                   float32
	normResidual          bool // residuals start after the layer norms
	pad                   int  // id of the padding token; -1: none
	slopes                []float32
}

// Names of the tensors, without the prefix. Those of layer i start with "h.i".
const (
	words         = "word_embeddings.weight"
	embeddingNorm = "word_embeddings_layernorm"
	finalNorm     = "ln_f"
	score         = "score.weight"

	inputNorm = ".input_layernorm"
	fused     = ".self_attention.query_key_value"
	output    = ".self_attention.dense"
	midNorm   = ".post_attention_layernorm"
	up        = ".mlp.dense_h_to_4h"
	down      = ".mlp.dense_4h_to_h"
)

func layerName(i int) string { return fmt.Sprint("h.", i) }

// Parameters lists the weights of the decoder.
func (a *architecture) Parameters() []models.Parameter {
	h := a.hidden
	list := []models.Parameter{{Name: words, Shape: []int{a.limits.Vocabulary, h}, Role: models.Embedding}}
	list = append(list, models.NormParameters(embeddingNorm, h)...)
	for i := range a.layers {
		l := layerName(i)
		list = append(list, slices.Concat(
			models.NormParameters(l+inputNorm, h),
			models.DenseParameters(l+fused, 3*h, h),
			models.DenseParameters(l+output, h, h),
			models.NormParameters(l+midNorm, h),
			models.DenseParameters(l+up, 4*h, h),
			models.DenseParameters(l+down, h, 4*h),
		)...)
	}
	return append(list, models.NormParameters(finalNorm, h)...)
}

// Head lists the weight of the classifier.
func (a *architecture) Head(labels int) []models.Parameter {
	return []models.Parameter{{Name: score, Shape: []int{labels, a.hidden}, Role: models.Matrix, Head: true}}
}

// Prefix returns "transformer.".
func (a *architecture) Prefix() string { return "transformer." }

// MaxTokens returns seq_length, a member of the published configurations.
func (a *architecture) MaxTokens() int { return a.limits.Tokens }

// Limits implements models.Architecture.
func (a *architecture) Limits() models.Limits { return a.limits }

// Bind looks up the weights.
func (a *architecture) Bind(p models.Params) (models.Network, error) {
	b, h := models.NewBinder(p), a.hidden
	n := &network{
		a:             a,
		TaskWeights:   b.Weights(),
		words:         b.Table(words),
		embeddingNorm: b.Norm(embeddingNorm, h, a.eps),
		finalNorm:     b.Norm(finalNorm, h, a.eps),
	}
	for i := range a.layers {
		l := layerName(i)
		n.layers = append(n.layers, layer{
			inputNorm: b.Norm(l+inputNorm, h, a.eps),
			fused:     b.Dense(l+fused, 3*h, h),
			output:    b.Dense(l+output, h, h),
			midNorm:   b.Norm(l+midNorm, h, a.eps),
			up:        b.Dense(l+up, 4*h, h),
			down:      b.Dense(l+down, h, 4*h),
		})
	}
	n.score = b.Unbiased(score, 0, h)
	if err := b.Err(); err != nil {
		return nil, err
	}
	return n, nil
}
