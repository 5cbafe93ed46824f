"""Three calls with each of the generated clients for Python: of the original's API, the native API and the admin API."""

import os

import native
import original

URL, APP = os.environ["URL"], int(os.environ["SDKAPPID"])

caller = {name: os.environ[name.upper()] for name in ("sdkappid", "identifier", "usersig")}
settings = original.Configuration(host=URL, api_key=caller, access_token=os.environ["TOKEN"])
with original.ApiClient(settings) as client:
    api = original.RecentcontactApi(client)
    peer = {"Type": 1, "To_Account": "peer"}
    item = {"OptType": 1, "ContactItem": peer, "SetMark": [0]}
    mark = original.MarkContactRequest.from_dict({"From_Account": "python", "MarkItem": [item]})
    answer = api.mark_contact(mark).to_dict()
    assert answer["ErrorCode"] == 0 and answer["ResultItem"][0]["ResultCode"] == 0, answer
    pin = {"From_Account": "python", "OperationType": 1, "RecentContactItem": [peer]}
    answer = api.top(original.TopRequest.from_dict(pin)).to_dict()
    assert answer["ErrorCode"] == 0, answer
    page = original.GetContactGroupRequest.from_dict({"From_Account": "python", "StartIndex": 0})
    answer = api.get_contact_group(page).to_dict()
    assert answer["ContactItem"][0]["To_Account"] == "peer", answer

    admin = original.AdminApi(client)
    assert any(app.sdkappid == APP for app in admin.list_apps().apps)
    assert admin.show_app(APP).edition == "premium"
    changed = admin.change_app(APP, original.AppSettings.from_dict({"limits": {"pinned": 60}}))
    assert changed.limits.pinned == 60, changed

settings = native.Configuration(host=URL, access_token=os.environ["USERSIG"])
with native.ApiClient(settings) as client:
    conversations = native.ConversationsApi(client)
    patch = native.ConversationPatch.from_dict({"set": ["unread", 40], "custom": "later", "pinned": True})
    changed = conversations.patch_conversation(APP, "python", "user", "peer", conversation_patch=patch)
    assert [mark.actual_instance for mark in changed.marks] == ["favorite", "unread", 40], changed
    assert changed.custom == "later" and changed.pinned, changed
    listed = conversations.list_conversations(APP, "python")
    assert [one.id for one in listed.conversations] == ["peer"], listed
    assert native.UsersApi(client).get_user(APP, "python").limits.marked.used == 1

print("the clients for Python have made their calls")
