package encoder

import (
	"slices"

	"kenserve/models"
)

// Model is a classifier of BERT's kind: embeddings, encoder, and a head over
// the first token. It is a models.Architecture; a family is what it fills in.
type Model struct {
	Embeddings Embeddings
	Encoder    Config
	Names      Names
	Head       Head
	Prefix     string // of the names of all but the head in a fine-tuned checkpoint
}

// architecture makes a Model a models.Architecture, whose methods have the
// names of its fields.
type architecture struct{ m Model }

// Architecture checks the sizes and returns the model.
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

// Parameters lists the encoder's weights. A base may lack the pooler.
func (a architecture) Parameters() []models.Parameter {
	m := a.m
	return slices.Concat(m.Embeddings.parameters(m.Encoder.Hidden), m.Encoder.Parameters(m.Names), m.Head.pooler(m.Encoder.Hidden))
}

// Head lists the classifier's weights.
func (a architecture) Head(labels int) []models.Parameter {
	return a.m.Head.Parameters(labels, a.m.Encoder.Hidden)
}

// Prefix is the family's, such as "bert.".
func (a architecture) Prefix() string { return a.m.Prefix }

// MaxTokens is the number of usable position embeddings.
func (a architecture) MaxTokens() int { return a.m.Embeddings.MaxTokens() }

// Bind resolves the weights.
func (a architecture) Bind(p models.Params) (models.Network, error) {
	b, m := models.NewBinder(p), a.m
	n := &network{
		embeddings: m.Embeddings.bind(b, m.Encoder.Hidden, m.Encoder.Eps),
		encoder:    m.Encoder.Bind(b, m.Names),
		Classifier: m.Head.Bind(b, m.Encoder.Hidden),
	}
	if err := b.Err(); err != nil {
		return nil, err
	}
	return n, nil
}

// network is a Model bound to weights.
type network struct {
	embeddings embeddings
	encoder    *Encoder
	Classifier
}

// Forward implements models.Network.
func (n *network) Forward(w *models.Workspace, b *models.Batch, logits []float32) error {
	if err := w.Start(b, n.embeddings.limits(), logits, n.Labels()); err != nil || len(b.Ends) == 0 {
		return err
	}
	n.Logits(w, n.encoder.FirstOutputs(w, n.embeddings.embed(w, b), b.Ends), logits)
	return nil
}
