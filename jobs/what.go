package jobs

import "waybill/jobs/flow"

// What a person does with a task, for Act.
type What = flow.What

const (
	Complete = flow.Complete
	Approve  = flow.Approve
	Reject   = flow.Reject
)
