// Package auto finds the smallest delta of a fine-tuned classifier that does as
// well as the classifier itself, on labelled texts kept aside for that (the dev
// set).
//
// It knows nothing of models: a [Search] is given two functions, one that makes
// the delta for some options and tells its size, one that gives that delta's
// logits of the dev set.
//
// # Scores
//
// A candidate is compared with the full fine-tuned model, the delta that keeps
// everything exactly, by two numbers.
//
//	accuracy  share of the texts whose largest logit is that of their label
//	loss      mean of −log p(label), where p = softmax(β·logits) with the β
//	          that is best for these logits
//
// Every [Point] has the 95% interval of its accuracy less the full model's, from
// a paired bootstrap: texts are drawn with replacement, and both are counted on
// the same ones (percentiles of 10,000 draws).
//
// A few hundred texts tell accuracy only to a point or two, and of many candidates
// one is always lucky. The change is therefore estimated twice, and the mean of
// the two believed: by the labels, and by the full model's probabilities. Where a
// candidate decides otherwise than the full model, p says how much likelier the
// one or the other is right; what the delta leaves out knows as little of the
// label as the text alone does. The sum of these differences moves by chance about
// half as much as the count of labels.
//
// A candidate is within the tolerance t if, with a confidence of c, its accuracy
// is at most t below the full model's, and its loss at most [LossPerAccuracy]·t
// above it. With that confidence means: on the dev set, and in a share c of the
// draws of a bootstrap; with c = 1/2 the dev set is believed. With more confidence,
// a candidate that decides otherwise than the full model on many texts has to do
// better than that to be believed to be as good, and deltas become larger, the
// more so the fewer the texts. The loss moves far less by chance. It is taken at
// the best β because a factor on the kept changes makes logits larger or smaller
// as a whole, which no decision depends on.
//
// # The head
//
// A delta holds the whole head in any case, so that it costs nothing to fit that to
// what the delta gives: by ridge regression, to the full model's logits of the dev
// set, not to its labels. A candidate is judged by heads that were each fitted to
// four fifths of the texts, on the other fifth.
//
// # The search
//
// Candidates lie on lines: everything but keep fraction and factor is the same
// on a line. Keep fractions are the powers of 2^(−1/2) from 1/2 on. On the first
// line one within the tolerance is found by bisection. From there on every line
// is followed to smaller deltas, until two keep fractions in a row are beyond the
// tolerance. Last, the best line is refined by steps of 2^(−1/8).
//
// The factor is fitted for every keep fraction: from a guess on, steps of a
// quarter up or down as long as they make the loss smaller ([Search.Fit]). The
// loss as a function of the factor has one minimum, where the factor makes up
// for what is not kept. If none of them is within the tolerance, one more is
// tried, where a parabola through the least loss and its neighbours is lowest.
//
// Then matrices get factors by group, a group being the same matrix of every layer,
// or all matrices of one: each group's is fitted in turn, twice, beside the factor
// of the best delta. What is made smallest there is not the loss but the mean
// Kullback-Leibler divergence of the candidate's probabilities from the full
// model's, both at their best β ([Point.Apart]): it takes the full model for the
// truth on every text, and moves less by chance than what the labels say. The delta with these factors, if
// within the tolerance, is the better one of its size; its line is followed and
// refined as those before.
//
// The selection ken has lines of its own, at a factor of 1, with its own head and
// a budget for each row as in the paper, so that what it takes for the same score
// stands beside the rest.
package auto
