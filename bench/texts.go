package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"kenserve/dataset"
	"kenserve/runtime"
)

// ReadTexts returns the first n texts of a file.
func ReadTexts(in *dataset.Reader, n int) ([]runtime.Input, error) {
	var texts []runtime.Input
	for len(texts) < n {
		row, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		texts = append(texts, runtime.Input{Text: row.Text, Pair: row.Pair})
	}
	return texts, nil
}

// SortByLength returns the texts in the order of their number of tokens, shortest first.
func SortByLength(ctx context.Context, e *runtime.Engine, texts []runtime.Input) ([]runtime.Input, error) {
	encoded, err := e.Encode(ctx, texts, runtime.Options{Truncate: true})
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	order := make([]int, len(texts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(encoded[a].IDs) - len(encoded[b].IDs) })
	sorted := make([]runtime.Input, len(texts))
	for i, j := range order {
		sorted[i] = texts[j]
	}
	return sorted, nil
}

// commonWords are the words of synthetic texts. Most tokenizers have one token for each.
var commonWords = strings.Fields(`the of and to in a is that for it as was with be by on not he his but at are
this have from or had an they which you were all one we there her she been their more if no when what will
would who so my time out about some than them can only other new into its now two may then do first any like
people over after also work year back where how well even good way day man life world here old house great
little own state never night water place name school home small large city film long money last week card
account number river country music story word line question answer letter paper book family friend`)

// SyntheticTexts makes n texts of random words, always the same ones. Their lengths in
// tokens, special tokens included, have about the given mean and a log-normal
// distribution, as those of real texts do. The mean is higher if the model takes fewer
// than 66 tokens, because the tokens of a word are counted in a text of 64 words.
func SyntheticTexts(ctx context.Context, e *runtime.Engine, n, meanTokens int) ([]runtime.Input, error) {
	count := func(text string) (int, error) {
		encoded, err := e.Encode(ctx, []runtime.Input{{Text: text}}, runtime.Options{Truncate: true})
		if err != nil {
			return 0, fmt.Errorf("bench: synthetic texts: %w", err)
		}
		return len(encoded[0].IDs), nil
	}
	special, err := count("")
	if err != nil {
		return nil, err
	}
	all, err := count(strings.Join(commonWords[:64], " "))
	if err != nil {
		return nil, err
	}
	tokensPerWord := float64(max(all-special, 1)) / 64
	const spread = 0.6 // standard deviation of the length's logarithm
	rng := rand.New(rand.NewPCG(1, 2))
	texts := make([]runtime.Input, n)
	for i := range texts {
		// exp(N(−σ²/2, σ²)) has mean 1.
		length := float64(meanTokens-special) * math.Exp(rng.NormFloat64()*spread-spread*spread/2)
		var text strings.Builder
		for range max(1, int(math.Round(length/tokensPerWord))) {
			text.WriteString(commonWords[rng.IntN(len(commonWords))])
			text.WriteByte(' ')
		}
		texts[i].Text = text.String()
	}
	return texts, nil
}
