// Three calls with each of the generated clients for Go: of the original's API, the native API and the admin API.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"calls/native"
	"calls/original"
)

var url = os.Getenv("URL")

func must[T any](answer T, _ any, err error) T {
	check(err == nil, err)
	return answer
}

func check(holds bool, answer any) {
	if !holds {
		text, _ := json.Marshal(answer)
		panic(fmt.Sprintf("%v %s", answer, text))
	}
}

func main() {
	app, err := strconv.ParseInt(os.Getenv("SDKAPPID"), 10, 64)
	check(err == nil, err)
	callOriginal(app)
	callNative(app)
	fmt.Println("the clients for Go have made their calls")
}

func callOriginal(app int64) {
	settings := original.NewConfiguration()
	settings.Servers = original.ServerConfigurations{{URL: url}}
	client := original.NewAPIClient(settings)
	keys := map[string]original.APIKey{
		"sdkappid":   {Key: os.Getenv("SDKAPPID")},
		"identifier": {Key: os.Getenv("IDENTIFIER")},
		"usersig":    {Key: os.Getenv("USERSIG")},
	}
	caller := context.WithValue(context.Background(), original.ContextAPIKeys, keys)
	api, user, peer := client.RecentcontactAPI, "go", "peer"
	conversation := original.ContactItem{Type: 1, ToAccount: &peer}
	item := original.MarkItem{OptType: 1, ContactItem: conversation, SetMark: []int32{0}}
	mark := original.MarkContactRequest{FromAccount: user, MarkItem: []original.MarkItem{item}}
	marked := must(api.MarkContact(caller).MarkContactRequest(mark).Execute())
	check(marked.MarkContactAnswer != nil && marked.MarkContactAnswer.ResultItem[0].ResultCode == 0, marked)
	pins := []original.RecentContactItem{{Type: 1, ToAccount: &peer}}
	pin := original.TopRequest{FromAccount: user, OperationType: 1, RecentContactItem: pins}
	pinned := must(api.Top(caller).TopRequest(pin).Execute())
	check(pinned.TopAnswer != nil, pinned)
	page := original.GetContactGroupRequest{FromAccount: user}
	shown := must(api.GetContactGroup(caller).GetContactGroupRequest(page).Execute())
	check(*shown.GetContactGroupAnswer.ContactItem[0].ToAccount == peer, shown)

	operator := context.WithValue(context.Background(), original.ContextAccessToken, os.Getenv("TOKEN"))
	admin, limit := client.AdminAPI, int32(60)
	listed := must(admin.ListApps(operator).Execute())
	check(listed.Apps[0].Sdkappid == app, listed)
	check(must(admin.ShowApp(operator, app).Execute()).Edition == "premium", app)
	limits := original.AppSettings{Limits: &original.LimitSettings{Pinned: &limit}}
	changed := must(admin.ChangeApp(operator, app).AppSettings(limits).Execute())
	check(changed.Limits.Pinned == limit, changed)
}

func callNative(app int64) {
	settings := native.NewConfiguration()
	settings.Servers = native.ServerConfigurations{{URL: url}}
	client := native.NewAPIClient(settings)
	caller := context.WithValue(context.Background(), native.ContextAccessToken, os.Getenv("USERSIG"))
	user, name, bit, text, yes := "go", "unread", int32(40), "later", true
	patch := native.ConversationPatch{
		Set:    []native.Mark{{String: &name}, {Int32: &bit}},
		Custom: *native.NewNullableString(&text),
		Pinned: *native.NewNullableBool(&yes),
	}
	conversations := client.ConversationsAPI
	patched := must(conversations.PatchConversation(caller, app, user, "user", "other").ConversationPatch(patch).Execute())
	marks := patched.Marks
	check(len(marks) == 2 && *marks[0].String == name && *marks[1].Int32 == bit && patched.Pinned, patched)
	listed := must(conversations.ListConversations(caller, app, user).Any("unread").Execute())
	check(len(listed.Conversations) == 1 && listed.Conversations[0].Id == "other", listed)
	state := must(client.UsersAPI.GetUser(caller, app, user).Execute())
	check(state.Limits.Marked.Used == 2, state)
}
