package runtime

import (
	"context"

	tasks "github.com/containerd/containerd/api/events"
	eventsapi "github.com/containerd/containerd/api/services/events/v1"
	"google.golang.org/protobuf/proto"
)

// kubernetes is the namespace in which containerd's CRI plugin keeps all it makes.
const kubernetes = "k8s.io"

// wanted are the events that change what the CRI answers of a container.
var wanted = []string{"/tasks/start", "/tasks/exit", "/tasks/oom", "/containers/delete"}

// subscribeContainerd asks containerd for its native events. The generated client alone is used: the whole containerd client would
// cost 3 MiB of memory for the same stream.
func subscribeContainerd(ctx context.Context, c *connection) (stream, error) {
	var filters []string
	for _, topic := range wanted {
		filters = append(filters, `namespace==`+kubernetes+`,topic=="`+topic+`"`)
	}
	s, err := eventsapi.NewEventsClient(c).Subscribe(ctx, &eventsapi.SubscribeRequest{Filters: filters})
	if err != nil {
		return nil, err
	}
	return &containerdStream{s}, nil
}

type containerdStream struct {
	s eventsapi.Events_SubscribeClient
}

func (s *containerdStream) next() (containerID, pod string, err error) {
	ev, err := s.s.Recv()
	if err != nil {
		return "", "", err
	}
	return containerOf(ev.GetTopic(), ev.GetEvent().GetValue()), "", nil
}

// containerOf reads whose event it is: the id of a container or a sandbox. The end of an exec is nobody's, and so is what can't be read:
// an event is a hint.
func containerOf(topic string, event []byte) string {
	switch topic {
	case "/tasks/exit":
		var e tasks.TaskExit
		if proto.Unmarshal(event, &e) != nil || e.GetID() != "" && e.GetID() != e.GetContainerID() {
			return ""
		}
		return e.GetContainerID()
	case "/tasks/start":
		var e tasks.TaskStart
		if proto.Unmarshal(event, &e) != nil {
			return ""
		}
		return e.GetContainerID()
	case "/tasks/oom":
		var e tasks.TaskOOM
		if proto.Unmarshal(event, &e) != nil {
			return ""
		}
		return e.GetContainerID()
	case "/containers/delete":
		var e tasks.ContainerDelete
		if proto.Unmarshal(event, &e) != nil {
			return ""
		}
		return e.GetID()
	}
	return ""
}
