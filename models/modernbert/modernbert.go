// Package modernbert is ModernBERT for sequence classification (Warner et al.,
// 2024), as Hugging Face's ModernBertForSequenceClassification computes it:
// rotary positions; attention to all tokens in every n-th layer and to nearby
// tokens in the others; gated perceptrons. Layer norms come before attention and
// perceptron. By default, most layers and all layer norms have no bias. The
// classifier uses the first token or the mean of all tokens. A base may have the
// classifier's dense layer and layer norm from its pre-training.
package modernbert

import (
	"fmt"
	"slices"

	"kenserve/internal/settings"
	"kenserve/models"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Family is ModernBERT.
var Family = models.Family{
	ModelType: "modernbert", Class: "ModernBertForSequenceClassification", Build: build,
	Table: slices.Concat(
		settings.Harmless(models.TrainingOnly, "attention_dropout", "embedding_dropout", "mlp_dropout", "initializer_cutoff_factor", "repad_logits_with_grad"),
		settings.Harmless(models.OtherTask, "decoder_bias", "sparse_prediction", "sparse_pred_ignore_index"),
		settings.Harmless("it says how transformers computes, not the result", "reference_compile", "deterministic_flash_attn"),
		// The published models have the first two; the third is overwritten by global_rope_theta.
		settings.Harmless(models.ReadByNothing, "position_embedding_type", "layer_norm_eps", "rope_theta"),
		[]settings.Setting{
			settings.Refused("partial_rotary_factor", "rotary positions turn all columns of a head", "1", "1.0"),
		},
	),
	Refuses: []string{
		`"classifier_pooling":"max"`,
		`"hidden_activation":"silu"`,
		`"classifier_activation":"silu"`,
		`"num_attention_heads":768`,
		`"head_dim":32`,
		`"global_attn_every_n_layers":0`,
		`"local_attention":1`,
		`"sliding_window":32`,
		`"layer_types":["full_attention","sliding_attention"]`,
		`"num_hidden_layers":2,"layer_types":["full_attention","chunked_attention"]`,
		`"global_rope_theta":0`,
		`"local_rope_theta":-1`,
		`"rope_scaling":{"type":"linear","factor":2}`,
		`"rope_scaling":{"rope_type":"linear","factor":2,"rope_theta":5}`,
		`"rope_scaling":{"rope_type":"longrope","factor":2,"short_factor":[1],"long_factor":[2]}`,
		`"rope_parameters":{"rope_type":"default","rope_theta":5}`,
		`"rope_parameters":{"full_attention":{"rope_type":"linear"}}`,
		`"rope_parameters":{"full_attention":{"rope_type":"proportional","factor":2}}`,
		`"rope_parameters":{"full_attention":{"rope_type":"linear","factor":2,"partial_rotary_factor":0.5}}`,
		`"rope_parameters":{"full_attention":{"rope_type":"yarn","factor":2,"truncate":false}}`,
		`"hidden_size":1536,"max_position_embeddings":131072`,
	},
}

// sizes is what a configuration says, as far as it changes what a classifier
// computes.
type sizes struct {
	VocabSize             int     `json:"vocab_size"`
	HiddenSize            int     `json:"hidden_size"`
	IntermediateSize      int     `json:"intermediate_size"`
	NumHiddenLayers       int     `json:"num_hidden_layers"`
	NumAttentionHeads     int     `json:"num_attention_heads"`
	HeadDim               *int    `json:"head_dim"`
	HiddenActivation      string  `json:"hidden_activation"`
	MaxPositionEmbeddings int     `json:"max_position_embeddings"`
	NormEps               float64 `json:"norm_eps"`
	NormBias              bool    `json:"norm_bias"`
	AttentionBias         bool    `json:"attention_bias"`
	MLPBias               bool    `json:"mlp_bias"`
	ClassifierBias        bool    `json:"classifier_bias"`
	ClassifierActivation  string  `json:"classifier_activation"`
	ClassifierPooling     string  `json:"classifier_pooling"`
	attentionKinds
	ropeSettings
}

func build(c *models.Config) (models.Architecture, error) {
	s := sizes{
		VocabSize: 50368, HiddenSize: 768, IntermediateSize: 1152, NumHiddenLayers: 22, NumAttentionHeads: 12,
		HiddenActivation: "gelu", MaxPositionEmbeddings: 8192, NormEps: 1e-5, ClassifierActivation: "gelu",
		ClassifierPooling: "cls", attentionKinds: attentionKinds{GlobalEvery: 3, LocalAttention: 128}, ropeSettings: defaultRope(),
	}
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	a := &architecture{
		encoder: encoder.Config{
			Layers: s.NumHiddenLayers, Hidden: s.HiddenSize, Heads: s.NumAttentionHeads, Intermediate: s.IntermediateSize, Eps: float32(s.NormEps),
		},
		limits:   models.Limits{Vocabulary: s.VocabSize, Tokens: s.MaxPositionEmbeddings},
		normBias: s.NormBias, attentionBias: s.AttentionBias, perceptronBias: s.MLPBias, headBias: s.ClassifierBias,
		mean: s.ClassifierPooling == "mean", window: s.LocalAttention / 2,
	}
	for _, check := range []error{
		a.encoder.Check(),
		models.CheckSize("vocab_size", s.VocabSize, encoder.MaxEntries),
		models.CheckSize("max_position_embeddings", s.MaxPositionEmbeddings, maxTokens),
	} {
		if check != nil {
			return nil, check
		}
	}
	if s.ClassifierPooling != "cls" && s.ClassifierPooling != "mean" {
		return nil, fmt.Errorf("classifier_pooling is %q, want cls or mean", s.ClassifierPooling)
	}
	width := s.HiddenSize / s.NumAttentionHeads
	if width%2 != 0 {
		return nil, fmt.Errorf("hidden_size %d and num_attention_heads %d give heads with an odd number of columns, but rotary positions need pairs", s.HiddenSize, s.NumAttentionHeads)
	}
	if s.HeadDim != nil && *s.HeadDim != width {
		return nil, fmt.Errorf("head_dim is %d, want hidden_size/num_attention_heads, %d", *s.HeadDim, width)
	}
	var err error
	if a.local, err = s.attentionKinds.local(a.encoder.Layers); err != nil {
		return nil, err
	}
	if a.encoder.Activation, err = models.ParseActivation(s.HiddenActivation); err != nil {
		return nil, fmt.Errorf("hidden_activation: %w", err)
	}
	if a.headActivation, err = models.ParseActivation(s.ClassifierActivation); err != nil {
		return nil, fmt.Errorf("classifier_activation: %w", err)
	}
	if width > maxAngles/s.MaxPositionEmbeddings {
		return nil, fmt.Errorf("max_position_embeddings %d with heads of %d columns needs too many angles; at most %d are supported", s.MaxPositionEmbeddings, width, maxAngles)
	}
	global, local, err := s.ropeSettings.kinds(s.MaxPositionEmbeddings)
	if err != nil {
		return nil, err
	}
	a.globalRotation, a.localRotation = sharedRotation(global, width, s.MaxPositionEmbeddings), sharedRotation(local, width, s.MaxPositionEmbeddings)
	return a, nil
}

// The maximum length of a sequence and the maximum size of a table of rotations.
// Both are 16 times as large as those of the published models.
const (
	maxTokens = 1 << 17
	maxAngles = 1 << 23
)

// architecture is a ModernBERT with given sizes.
type architecture struct {
	encoder                                           encoder.Config
	limits                                            models.Limits
	normBias, attentionBias, perceptronBias, headBias bool
	headActivation                                    nn.Activation
	mean                                              bool   // the classifier sees the mean of all tokens, not the first
	local                                             []bool // by layer: it attends to near tokens only, at most window away
	window                                            int
	globalRotation, localRotation                     *rotation
}

// Names of the tensors, without the prefix. Those of layer i start with
// "layers.i".
const (
	words         = "embeddings.tok_embeddings.weight"
	embeddingNorm = "embeddings.norm"
	finalNorm     = "final_norm"
	headDense     = "head.dense"
	headNorm      = "head.norm"
	classifier    = "classifier"

	attentionNorm  = ".attn_norm" // layer 0 has none
	fused          = ".attn.Wqkv"
	output         = ".attn.Wo"
	perceptronNorm = ".mlp_norm"
	gated          = ".mlp.Wi"
	down           = ".mlp.Wo"
)

func layerName(i int) string { return fmt.Sprint("layers.", i) }

// dense lists the parameters of a dense layer, with or without its bias.
func dense(name string, n, k int, bias bool) []models.Parameter {
	list := models.DenseParameters(name, n, k)
	if !bias {
		return list[:1]
	}
	return list
}

// norm lists the parameters of a layer norm, with or without its bias.
func (a *architecture) norm(name string) []models.Parameter {
	list := models.NormParameters(name, a.encoder.Hidden)
	if !a.normBias {
		return list[:1]
	}
	return list
}

// Parameters lists the weights of the encoder.
func (a *architecture) Parameters() []models.Parameter {
	h, c := a.encoder.Hidden, a.encoder
	list := []models.Parameter{{Name: words, Shape: []int{a.limits.Vocabulary, h}, Role: models.Embedding}}
	list = append(list, a.norm(embeddingNorm)...)
	for i := range c.Layers {
		l := layerName(i)
		if i > 0 {
			list = append(list, a.norm(l+attentionNorm)...)
		}
		list = append(list, slices.Concat(
			dense(l+fused, 3*h, h, a.attentionBias),
			dense(l+output, h, h, a.attentionBias),
			a.norm(l+perceptronNorm),
			dense(l+gated, 2*c.Intermediate, h, a.perceptronBias),
			dense(l+down, h, c.Intermediate, a.perceptronBias),
		)...)
	}
	return append(list, a.norm(finalNorm)...)
}

// Head lists the weights of the classifier.
func (a *architecture) Head(labels int) []models.Parameter {
	h := a.encoder.Hidden
	list := slices.Concat(dense(headDense, h, h, a.headBias), a.norm(headNorm), dense(classifier, labels, h, true))
	for i := range list {
		list[i].Head = true
	}
	return list
}

// Prefix returns "model.".
func (a *architecture) Prefix() string { return "model." }

// MaxTokens returns max_position_embeddings.
func (a *architecture) MaxTokens() int { return a.limits.Tokens }

// Limits implements models.Architecture.
func (a *architecture) Limits() models.Limits { return a.limits }
