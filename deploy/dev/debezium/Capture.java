import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.PrintStream;
import java.io.FileInputStream;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;

/** Runs one Debezium connector and prints the value of each record as a line, until a record of the table `done` comes. */
public class Capture {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        try (FileInputStream in = new FileInputStream(args[0])) {
            settings.load(in);
        }
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        CountDownLatch done = new CountDownLatch(1);
        DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class)
            .using(settings)
            .notifying(record -> {
                String topic = record.destination();
                if (topic.endsWith(".done")) {
                    if (record.value() != null) done.countDown();
                    return;
                }
                if (done.getCount() == 0) return;
                out.print(topic + "\t" + record.value() + "\n");
                out.flush();
            })
            .using((success, message, error) -> {
                if (!success) System.err.println(message + " " + error);
                done.countDown();
            })
            .build();
        var executor = Executors.newSingleThreadExecutor();
        executor.execute(engine);
        done.await();
        engine.close();
        executor.shutdown();
        System.exit(0);
    }
}
