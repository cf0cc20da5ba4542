import javax.jms.BytesMessage;
import javax.jms.Connection;
import javax.jms.DeliveryMode;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.Session;
import javax.jms.TextMessage;
import org.apache.activemq.ActiveMQConnectionFactory;

/**
 * What a customer's JMS application sees. Arguments: URL, queue, count, milliseconds, and a JMS selector, if any.
 *
 * Prints one line of JSON per message of the queue; ends after `count` messages, or after so many
 * milliseconds without one.
 */
public class Consumer {
    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[2]);
        long silence = Long.parseLong(args[3]);
        Connection connection = new ActiveMQConnectionFactory(args[0]).createConnection();
        connection.start();
        Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
        MessageConsumer consumer = session.createConsumer(
            session.createQueue(args[1]), args.length > 4 ? args[4] : null);
        StringBuilder lines = new StringBuilder();
        for (int read = 0; read < count; read++) {
            Message message = consumer.receive(silence);
            if (message == null) {
                break;
            }
            lines.append(line(message)).append('\n');
        }
        System.out.print(lines);
        System.out.flush();
        connection.close();
    }

    private static String line(Message message) throws Exception {
        String kind = message instanceof TextMessage ? "TextMessage"
            : message instanceof BytesMessage ? "BytesMessage" : message.getClass().getSimpleName();
        return "{\"kind\":" + quoted(kind)
            + ",\"type\":" + quoted(message.getJMSType())
            + ",\"persistent\":" + (message.getJMSDeliveryMode() == DeliveryMode.PERSISTENT)
            + ",\"redelivered\":" + message.getJMSRedelivered()
            + ",\"event_id\":" + quoted(message.getStringProperty("event-id"))
            + ",\"correlation\":" + quoted(message.getJMSCorrelationID())
            + ",\"spring\":" + quoted(message.getStringProperty("_type"))
            + ",\"text\":" + quoted(message instanceof TextMessage ? ((TextMessage) message).getText() : null) + "}";
    }

    private static String quoted(String text) {
        if (text == null) {
            return "null";
        }
        StringBuilder quoted = new StringBuilder("\"");
        for (char character : text.toCharArray()) {
            if (character < ' ' || character > '~' || character == '"' || character == '\\') {
                quoted.append(String.format("\\u%04x", (int) character));
            } else {
                quoted.append(character);
            }
        }
        return quoted.append('"').toString();
    }
}
