// Package auto searches for the smallest delta of a fine-tuned classifier that does
// as well as the classifier itself on labelled texts (the dev set).
//
// The package does not run models. A [Search] is given two functions: one makes the
// delta for some options and returns its size, the other returns what that delta
// predicts for the dev set.
//
// # Scores
//
// A candidate is compared with the full fine-tuned model, which is the delta that
// keeps everything exactly, by two numbers:
//
//	accuracy  share of the texts whose largest logit is that of their label
//	loss      mean of −log p(label), where p = softmax(β·logits) with the β
//	          that minimises the loss of these logits
//
// Every [Point] has a 95% confidence interval of its accuracy minus the full model's,
// from a paired bootstrap: texts are drawn with replacement, and both models are
// scored on the same draws (percentiles of 10,000 draws).
//
// A few hundred texts give the accuracy only to a point or two, and one of many
// candidates always has luck. The change of accuracy is therefore estimated twice,
// and the mean of both estimates is used. The first estimate uses the labels. The
// second uses the full model's probabilities: where a candidate decides differently
// from the full model, p says how much more likely the one decision is right than the
// other. The changes that a delta drops carry no information about the label beyond
// the text, so these odds apply. The random error of this estimate is about half that
// of the count of labels.
//
// A candidate is within the tolerance t if, with confidence c, its accuracy is at
// most t below the full model's and its loss at most 4·t nats above it. "With
// confidence c" means: on the dev set, and in a share c of the draws of a bootstrap;
// c = 1/2 takes the dev set at face value. With a higher c, a candidate that decides
// differently on many texts must do better on the dev set to be accepted. Deltas
// then become larger, the more so the fewer texts there are. The loss has a much
// smaller random error. It is taken at the best β because a factor on the kept
// changes scales all logits, which changes no decision.
//
// # The head
//
// A delta stores the whole head in any case, so fitting the head to the pruned
// encoder costs no bytes. It is fitted by ridge regression to the full model's logits
// of the dev set, not to the labels. A candidate is scored with cross-fitting: five
// heads are fitted, each to four fifths of the texts, and each scores the other fifth.
//
// # The search
//
// A configuration fixes everything of a candidate but its keep fraction and factor.
// Keep fractions are the powers of 2^(−1/2) from 1/2 down. In the first configuration
// a keep fraction within the tolerance is found by bisection. From there every
// configuration is searched towards smaller deltas, until two keep fractions in a row
// exceed the tolerance. Last, the best configuration is refined in steps of 2^(−1/8).
//
// The factor is fitted for every keep fraction ([Search.Fit]): from a first guess on,
// it is multiplied or divided by 1.25 as long as the loss falls. The loss as a function
// of the factor has one minimum, where the factor makes up for the changes that are not
// kept. If no factor is within the tolerance, one more is tried, at the minimum of the
// parabola through the smallest loss and its neighbours.
//
// Then matrices get factors by group. A group is the matching matrix of every layer, or
// all matrices of one layer. Each group's factor is fitted in turn, in two rounds,
// beside the factor of the best delta. This fit does not minimise the loss but the mean
// Kullback-Leibler divergence of the candidate's probabilities from the full model's,
// both at their best β ([Point.KLDivergence]): it takes the full model as the truth on
// every text, and has a smaller random error than a loss on labels. If the delta with
// these factors is within the tolerance, it is preferred to the one of the same size
// without; its configuration is searched and refined like the others.
//
// The selection ken has its own configurations, with a factor of 1, its own head and a
// budget for each row, as in the paper. Its smallest delta is reported beside the best
// one for comparison.
package auto
