// Three calls with each of the generated clients for Java: of the original's API, the native API and the admin API.

import com.fasterxml.jackson.databind.MapperFeature;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Consumer;
import nativeapi.api.ConversationsApi;
import nativeapi.api.UsersApi;
import nativeapi.model.ConversationPatch;
import nativeapi.model.Mark;
import original.api.AdminApi;
import original.api.RecentcontactApi;
import original.model.AppSettings;
import original.model.ContactItem;
import original.model.GetContactGroupAnswer;
import original.model.GetContactGroupRequest;
import original.model.MarkContactAnswer;
import original.model.MarkContactRequest;
import original.model.MarkItem;
import original.model.LimitSettings;
import original.model.RecentContactItem;
import original.model.TopRequest;

class Calls {
  static final String URL = System.getenv("URL");
  static final long APP = Long.parseLong(System.getenv("SDKAPPID"));
  static final String USER = "java";

  static void check(boolean holds, Object answer) {
    if (!holds) throw new AssertionError(answer);
  }

  static Consumer<HttpRequest.Builder> bearer(String name) {
    return request -> request.header("Authorization", "Bearer " + System.getenv(name));
  }

  /** Adds the credentials to the query, which this generator does not. */
  static void addCaller(HttpRequest.Builder request) {
    StringBuilder query = new StringBuilder();
    for (String name : List.of("sdkappid", "identifier", "usersig")) {
      String value = URLEncoder.encode(System.getenv(name.toUpperCase()), StandardCharsets.UTF_8);
      query.append(query.length() == 0 ? '?' : '&').append(name).append('=').append(value);
    }
    request.uri(URI.create(request.copy().build().uri() + query.toString()));
  }

  static void callOriginal() throws Exception {
    original.ApiClient client = new original.ApiClient();
    client.updateBaseUri(URL);
    client.setRequestInterceptor(Calls::addCaller);
    RecentcontactApi api = new RecentcontactApi(client);
    ContactItem peer = new ContactItem().type(ContactItem.TypeEnum.NUMBER_1).toAccount("peer");
    MarkItem item = new MarkItem().optType(MarkItem.OptTypeEnum.NUMBER_1).contactItem(peer).setMark(List.of(0));
    Object marked = api.markContact(new MarkContactRequest().fromAccount(USER).markItem(List.of(item)), null, null).getActualInstance();
    check(((MarkContactAnswer) marked).getResultItem().size() == 1, marked);
    RecentContactItem pin = new RecentContactItem().type(RecentContactItem.TypeEnum.NUMBER_1).toAccount("peer");
    TopRequest top = new TopRequest().fromAccount(USER).operationType(TopRequest.OperationTypeEnum.NUMBER_1);
    Object pinned = api.top(top.recentContactItem(List.of(pin)), null, null).getActualInstance();
    check(pinned instanceof original.model.TopAnswer, pinned);
    Object page = api.getContactGroup(new GetContactGroupRequest().fromAccount(USER), null, null).getActualInstance();
    check("peer".equals(((GetContactGroupAnswer) page).getContactItem().get(0).getToAccount()), page);

    original.ApiClient operator = new original.ApiClient();
    operator.updateBaseUri(URL);
    operator.setRequestInterceptor(bearer("TOKEN"));
    AdminApi admin = new AdminApi(operator);
    check(admin.listApps().getApps().stream().anyMatch(app -> app.getSdkappid() == APP), APP);
    check("premium".equals(admin.showApp(APP).getEdition().getValue()), APP);
    AppSettings settings = new AppSettings().limits(new LimitSettings().pinned(60));
    original.model.App changed = admin.changeApp(APP, settings);
    check(changed.getLimits().getPinned() == 60, changed);
  }

  static void callNative() throws Exception {
    nativeapi.ApiClient client = new nativeapi.ApiClient();
    client.updateBaseUri(URL);
    // Otherwise Jackson takes the number of a bit for a text as well.
    client.setObjectMapper(
        nativeapi.ApiClient.createDefaultObjectMapper().configure(MapperFeature.ALLOW_COERCION_OF_SCALARS, false));
    client.setRequestInterceptor(bearer("USERSIG"));
    ConversationsApi api = new ConversationsApi(client);
    List<Mark> marks = List.of(new Mark("unread"), new Mark(40));
    ConversationPatch patch = new ConversationPatch().set(marks).custom("later").pinned(true);
    nativeapi.model.Conversation patched = api.patchConversation(APP, USER, "user", "other", patch, null);
    List<Object> shown = patched.getMarks().stream().map(Mark::getActualInstance).toList();
    check(shown.equals(List.of("unread", 40)) && patched.getPinned(), patched);
    nativeapi.model.Conversations listed =
        api.listConversations(APP, USER, "unread", null, null, null, null, null, null, null, null, null, null);
    check(listed.getConversations().size() == 1, listed);
    nativeapi.model.User state = new UsersApi(client).getUser(APP, USER);
    check(state.getLimits().getMarked().getUsed() == 2, state);
  }

  public static void main(String[] arguments) throws Exception {
    callOriginal();
    callNative();
    System.out.println("the clients for Java have made their calls");
  }
}
