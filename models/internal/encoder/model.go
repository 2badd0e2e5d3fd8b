package encoder

import (
	"slices"

	"kenserve/models"
)

// Model describes a classifier of BERT's kind: embeddings, an encoder, and a head
// on the first token. Each family fills in its values.
type Model struct {
	Embeddings Embeddings
	Encoder    Config
	Names      Names
	Head       Head
	Prefix     string // prefix of all names except those of the head in a fine-tuned checkpoint
}

// architecture is the models.Architecture of a Model. It is a type of its own,
// because the methods have the names of Model's fields.
type architecture struct{ m Model }

// Architecture checks the sizes and returns the architecture.
func (m Model) Architecture() (models.Architecture, error) {
	for _, check := range []error{
		m.Encoder.Check(),
		models.CheckSize("vocab_size", m.Embeddings.Vocabulary, MaxEntries),
		models.CheckSize("max_position_embeddings", m.Embeddings.Positions, MaxEntries),
		models.CheckSize("embedding_size", m.Embeddings.Width, MaxWidth),
	} {
		if check != nil {
			return nil, check
		}
	}
	return architecture{m}, nil
}

// Parameters lists the weights of the encoder. The pooler is optional.
func (a architecture) Parameters() []models.Parameter {
	m := a.m
	return slices.Concat(m.Embeddings.parameters(m.Encoder.Hidden), m.Encoder.parameters(m.Names), m.Head.pooler(m.Encoder.Hidden))
}

// Head lists the weights of the classifier.
func (a architecture) Head(labels int) []models.Parameter {
	return a.m.Head.Parameters(labels, a.m.Encoder.Hidden)
}

// Prefix returns the family's prefix, such as "bert.".
func (a architecture) Prefix() string { return a.m.Prefix }

// MaxTokens returns the number of usable position embeddings.
func (a architecture) MaxTokens() int { return a.m.Embeddings.maxTokens() }

// Limits implements models.Architecture.
func (a architecture) Limits() models.Limits { return a.m.Embeddings.limits() }

// Bind looks up the weights.
func (a architecture) Bind(p models.Params) (models.Network, error) {
	b, m := models.NewBinder(p), a.m
	n := &network{
		embeddings: m.Embeddings.bind(b, m.Encoder.Hidden, m.Encoder.Eps),
		encoder:    m.Encoder.bind(b, m.Names),
		Classifier: m.Head.Bind(b, m.Encoder.Hidden),

		TaskWeights: b.Weights(),
	}
	if err := b.Err(); err != nil {
		return nil, err
	}
	return n, nil
}

// network is a Model bound to weights.
type network struct {
	embeddings embeddings
	encoder    *layers
	Classifier
	*models.TaskWeights
}

// Forward implements models.Network.
func (n *network) Forward(w *models.Workspace, b *models.Batch, logits []float32) error {
	if err := w.Start(n, b, n.embeddings.limits(), logits); err != nil || len(b.Ends) == 0 {
		return err
	}
	n.Logits(w, n.encoder.firstOutputs(w, n.embeddings.embed(w, b), b.Ends), logits)
	return nil
}
