import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import javax.jms.Connection;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnectionFactory;

/** Prints each delivery report, once. Argument: the broker's URL. Ctrl-C ends it. */
public class Reports {
    /** After an outage of the broker a report can come again, under the event id that it had. */
    private static final Set<String> SEEN = Collections.newSetFromMap(new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
            return size() > 100_000;
        }
    });

    public static void main(String[] args) throws Exception {
        String login = System.getenv("BROKER_LOGIN"), passcode = System.getenv("BROKER_PASSCODE");
        Connection connection = new ActiveMQConnectionFactory(args[0]).createConnection(login, passcode);
        connection.start();
        Session session = connection.createSession(false, Session.CLIENT_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(session.createQueue("delivery-report"));
        while (true) {
            Message message = consumer.receive();
            if (message == null) {
                return; // the connection was closed
            }
            if (message instanceof TextMessage && SEEN.add(message.getStringProperty("event_id"))) {
                // JMSCorrelationID is the MessageSID, JMSType the channel; the text is the report in JSON
                String report = ((TextMessage) message).getText();
                System.out.printf("%s %s %s%n", message.getJMSCorrelationID(), message.getJMSType(), report);
            }
            message.acknowledge(); // only now: a report that was not worked on comes again
        }
    }
}
