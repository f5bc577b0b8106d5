import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * Runs scripts of tables over topics with one `INSERT` each, on a cluster within this process, one after the other, and
 * says what the last one took, of this process and of the broker's. Those before it are there to get warm.
 *
 * Arguments: a folder for checkpoints, milliseconds between them, `plain` or `mini-batch`, the id of the broker's
 * process, files of scripts.
 */
public final class Topics {
    /** Clock ticks a second in `/proc/PID/stat`. */
    private static final double TICKS = 100;
    private static final long POLL_MS = 10;

    /** What was used at a moment. */
    private record Usage(double own, double broker, double wall) {
        static Usage now(String broker) throws Exception {
            var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
            String stat = Files.readString(Path.of("/proc", broker, "stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            double ticks = Double.parseDouble(fields[11]) + Double.parseDouble(fields[12]);
            return new Usage(system.getProcessCpuTime() / 1e9, ticks / TICKS, System.nanoTime() / 1e9);
        }
    }

    public static void main(String[] arguments) {
        // Threads of a cluster do not hold up the end, of whichever kind.
        try {
            System.out.println(measured(arguments));
            System.exit(0);
        } catch (Throwable error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    private static String measured(String[] arguments) throws Exception {
        Configuration settings = Nexmark.settings(Path.of(arguments[0]), arguments[2].equals("mini-batch"));
        settings.setString("execution.checkpointing.interval", arguments[1] + " ms");
        // What is written is committed by a checkpoint, the end of it, too.
        settings.setString("execution.checkpointing.checkpoints-after-tasks-finish", "true");
        settings.setString("rest.address", "127.0.0.1");
        settings.setString("rest.bind-address", "127.0.0.1");
        settings.setString("metrics.reporters", "watermarks");
        settings.setString("metrics.reporter.watermarks.factory.class", Watermarks.Factory.class.getName());
        List<String> scripts = List.of(arguments).subList(4, arguments.length);
        String answer = null;
        for (String script : scripts) {
            System.gc();
            // The cluster before may still have its own.
            int port = freePort();
            settings.setString("rest.bind-port", Integer.toString(port));
            answer = run(settings, Files.readString(Path.of(script)), arguments[3], port);
        }
        return answer;
    }

    private static int freePort() throws IOException {
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return free.getLocalPort();
        }
    }

    private static String run(Configuration settings, String script, String broker, int port) throws Exception {
        var environment =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance().inStreamingMode().withConfiguration(settings).build());
        Watermarks.forget();
        JobClient job = null;
        for (String statement : script.split(";")) {
            if (!statement.isBlank()) {
                job = environment.executeSql(statement).getJobClient().orElse(null);
            }
        }
        // The cluster is there now, as a broker is before a statement comes.
        while (job.getJobStatus().get() != JobStatus.RUNNING) {
            Thread.sleep(1);
        }
        Usage start = Usage.now(broker);
        System.out.println("running");
        CompletableFuture<?> end = job.getJobExecutionResult();
        boolean isSeen = false;
        Socket asked = null;
        while (!end.isDone()) {
            // All has been handed to the last of the operators: what is left is to commit it.
            if (!isSeen && Watermarks.areAtTheEnd()) {
                isSeen = true;
                try {
                    asked = checkpoint(job.getJobID(), port);
                } catch (IOException gone) {
                    // A checkpoint that was due has come first.
                }
            }
            try {
                end.get(POLL_MS, TimeUnit.MILLISECONDS);
            } catch (TimeoutException soon) {
                // It goes on.
            }
        }
        end.get();
        Usage used = Usage.now(broker);
        if (asked != null) {
            asked.close();
        }
        return String.format(
                Locale.ROOT,
                "{\"engine_seconds\":%.6f,\"broker_seconds\":%.6f,\"wall_seconds\":%.6f,\"was_seen\":%b}",
                used.own - start.own,
                used.broker - start.broker,
                used.wall - start.wall,
                isSeen);
    }

    /** Asks for a checkpoint now, in the place of the next that is due, and waits for no answer: the job may end. */
    private static Socket checkpoint(JobID job, int port) throws IOException {
        String body = "{\"checkpointType\":\"CONFIGURED\"}";
        String head =
                "POST /jobs/%s/checkpoints HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
                        + "content-length: %d\r\n\r\n";
        var connection = new Socket(InetAddress.getLoopbackAddress(), port);
        connection.getOutputStream().write((head.formatted(job, body.length()) + body).getBytes(US_ASCII));
        return connection;
    }
}
